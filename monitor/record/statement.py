"""The texts of an evidence bundle: two READMEs and a page to print. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

README = """Evidence from the public record of Map Monitor
==============================================

{sentence}

What is here
------------
statement.html    A page to print: what was published, when, and what this does not show.
claim.json        The same as data.
bodies/           The publications, exactly as they were received. Each file is named by its SHA-256.
polls.ndjson      Every poll of the list between the first and the last one concerned, failed ones too:
                  what was asked, as it was sent, and the headers of the answer.
polls.warc.gz     The same publications for readers of web archives (WARC 1.1), such as pywb.
changes.ndjson    The changes that were published from these polls.
retractions.ndjson  Only where the operator took the announcement back: when, and why.
proofs.json       For each of these entries the proof that it is in the signed record (RFC 9162).
checkpoint        The signed state of the record (C2SP signed note).
key.txt           The public key of the record. Compare it with the one that the service publishes.
verify.py         A script that checks all of this offline.
SHA256SUMS        The hash of every file, signed in SHA256SUMS.sig.

How to check
------------
1. Unpack the ZIP file into an empty folder.
2. Run: python3 -I verify.py
   It needs Python 3.8 or newer and nothing else, and sends nothing.
3. Every line must begin with OK. The last lines say what is not proved.
4. Compare the key with the one on the site of the service, or with an older copy:
   python3 -I verify.py --key "{key}"

Without Python: `sha256sum -c SHA256SUMS` checks that no file was changed.
"""

LEEME = """Pruebas del registro público de Map Monitor
===========================================

{sentence}

Contenido
---------
statement.html    Una página para imprimir: qué se publicó, cuándo, y qué no demuestra esto (en inglés).
claim.json        Lo mismo, como datos.
bodies/           Las publicaciones, exactamente como se recibieron. El nombre de cada archivo es su SHA-256.
polls.ndjson      Cada consulta de la lista entre la primera y la última, también las que fallaron: lo que
                  se pidió, tal como se envió, y los encabezados de la respuesta.
polls.warc.gz     Las mismas publicaciones para lectores de archivos web (WARC 1.1), como pywb.
changes.ndjson    Los cambios que se publicaron a partir de estas consultas.
retractions.ndjson  Solo si el operador retiró el anuncio: cuándo y por qué.
proofs.json       La prueba de que cada una de estas entradas está en el registro firmado (RFC 9162).
checkpoint        El estado firmado del registro (nota firmada C2SP).
key.txt           La clave pública del registro. Compárela con la que publica el servicio.
verify.py         Un programa que lo comprueba todo sin conexión.
SHA256SUMS        El hash de cada archivo, firmado en SHA256SUMS.sig.

Cómo comprobarlo
----------------
1. Descomprima el archivo ZIP en una carpeta vacía.
2. Ejecute: python3 -I verify.py
   Solo necesita Python 3.8 o posterior y no envía nada.
3. Cada línea debe empezar por OK. Las últimas líneas dicen qué no queda demostrado.
4. Compare la clave con la del sitio del servicio, o con una copia anterior:
   python3 -I verify.py --key "{key}"

Sin Python: `sha256sum -c SHA256SUMS` comprueba que ningún archivo ha cambiado.
"""

NOT_SHOWN = (
    "That the publisher's list is right, or that an agency did anything that a listing suggests.",
    "That the files came from the publisher, beyond the word of the operator who fetched them: "
    "servers do not sign their pages.",
    "The times, beyond the word of the operator: only the order of the entries is proved.",
    "What was published between two polls and taken back before the later one.",
    "Whether the operator retracted the announcement after this was made: the page of the change says so.",
)

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body{{font:11pt/1.5 serif;max-width:42em;margin:2em auto;padding:0 1em}}
code,td{{overflow-wrap:anywhere}}
table{{border-collapse:collapse}}
th,td{{border:1px solid #999;padding:.2em .5em;text-align:left;vertical-align:top}}
.blank{{border-bottom:1px solid #000;display:inline-block;min-width:14em}}
@media print{{body{{margin:0}}}}
</style>
<h1>{title}</h1>
<p><strong>{sentence}</strong></p>
<table>
{facts}
</table>
<h2>The publications</h2>
<table>
<tr><th>SHA-256</th><th>Bytes</th><th>File</th></tr>
{bodies}
</table>
<h2>What this does not show</h2>
<ul>
{not_shown}
</ul>
<h2>How to check</h2>
<p>Run <code>python3 -I verify.py</code> in the folder of this page. It needs no network.
See <code>README.txt</code>.</p>
<h2>Form for a certification (not signed)</h2>
<p>This form is offered for Federal Rules of Evidence 902(13) and 902(14). It is blank: nobody has signed it,
and it is no legal advice.</p>
<p>I, <span class="blank"></span>, am qualified to make this certification because
<span class="blank"></span>.
The records in the attached bundle were generated by an electronic process or system
that produces an accurate result, or were copied from such a system and identified by a process of digital
identification (the hash values in <code>SHA256SUMS</code>). On <span class="blank"></span> I ran the attached
program <code>verify.py</code>, and it reported that every check passed.</p>
<p>I declare under penalty of perjury that the foregoing is true and correct (28 U.S.C. § 1746). Executed on
<span class="blank"></span>.</p>
<p>Signature: <span class="blank"></span></p>
</html>
"""


def render_statement(
    title: str,
    sentence: str,
    facts: Iterable[tuple[str, str]],
    bodies: Iterable[Sequence[str]],
) -> str:
    """The page to print. ``facts`` are names and values, ``bodies`` the cells hash, bytes and file."""
    return _PAGE.format(
        title=escape(title),
        sentence=escape(sentence),
        facts="\n".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts),
        bodies="\n".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in bodies
        ),
        not_shown="\n".join(f"<li>{escape(text)}</li>" for text in NOT_SHOWN),
    )


def render_readmes(sentence: str, sentence_es: str, key: str) -> tuple[str, str]:
    """README in English and in Spanish."""
    return README.format(sentence=sentence, key=key), LEEME.format(sentence=sentence_es, key=key)
