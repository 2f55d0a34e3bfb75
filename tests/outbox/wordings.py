"""What mail servers say when they refuse the sender's account: (phase, code, text), "{}" for the recipient.

`SEEN` were seen (delivery notes of the design); `MADE_UP` and `OTHER_SHAPES` are made up from the codes and
phrases that these servers are known to use.
"""

from __future__ import annotations

SEEN = {
    "Exchange Online, daily limit": (
        "RCPT",
        550,
        "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    ),
    "Exim and cPanel, no relay": ("RCPT", 550, "{} is not permitted to relay through this server"),
    "qmail, code in the middle": (
        "RCPT",
        553,
        "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
    ),
    "Exim, sender verify": ("RCPT", 550, "Sender verify failed"),
    "Gmail, daily quota": ("message", 550, "5.4.5 Daily user sending quota exceeded. x7-20020a05 - gsmtp"),
    "SES, suspended": (
        "message",
        554,
        "Sending suspended for this account. For more information, please check the "
        "inbox of the email address",
    ),
}
MADE_UP = {
    "Postfix, relay": ("RCPT", 554, "5.7.1 <{}>: Relay access denied"),
    "Postfix, sender": (
        "RCPT",
        553,
        "5.7.1 <alerts@watch.example>: Sender address rejected: not owned by user alerts",
    ),
    "Postfix, unknown in a table": (
        "RCPT",
        550,
        "5.1.1 <{}>: Recipient address rejected: User unknown in relay recipient table",
    ),
    "Postfix, client": (
        "RCPT",
        554,
        "5.7.1 Service unavailable; Client host [192.0.2.7] blocked using a block list",
    ),
    "Exim, account": ("RCPT", 550, "Your account has been suspended, contact your hosting provider"),
    "cPanel, hourly": (
        "RCPT",
        550,
        "Domain watch.example has exceeded the max emails per hour (200/200 (100%)) allowed",
    ),
    "Exchange, client": ("MAIL", 530, "5.7.57 Client not authenticated to send mail"),
    "Exchange, as": (
        "message",
        550,
        "5.7.60 SMTP; Client does not have permissions to send as this sender",
    ),
    "Exchange, outbound spam": ("RCPT", 550, "5.1.8 Access denied, bad outbound sender AS(42004)"),
    "Exchange, plain": ("RCPT", 550, "5.7.501 Service unavailable, spam abuse detected"),
    "Gmail, unauthenticated": (
        "message",
        550,
        "5.7.26 This mail has been blocked because the sender is unauthenticated. - gsmtp",
    ),
    "Postmark": ("message", 550, "Account is pending approval; sender signature not confirmed"),
    "Mimecast": (
        "RCPT",
        550,
        "Administrative prohibition - envelope blocked - https://example.invalid/help#550",
    ),
    "Mimecast, no relay": (
        "RCPT",
        550,
        "Rejected by header based manually blocked senders - block for manual review",
    ),
    "a bare 550": ("RCPT", 550, "no"),
    "a bare 554 at the dot": ("message", 554, "Message rejected"),
    "a bare 550 5.0.0": ("RCPT", 550, "5.0.0 rejected for policy reasons (id {})"),
    "disabled": ("RCPT", 550, "5.2.1 disabled"),
    "full": ("RCPT", 552, "5.2.2 over quota"),
    "no such system": ("RCPT", 550, "5.1.2 host unknown"),
    "a greylister that never ends": ("RCPT", 451, "4.7.1 Greylisted, try again in 300 seconds"),
    "a quota for now": ("RCPT", 452, "4.5.3 Too many recipients; your sending quota is used up"),
}
OTHER_SHAPES = {
    "several lines, the code in the second": (
        "RCPT",
        550,
        "Your message was not accepted.\n5.1.90 You have reached your daily limit\nSee https://help.example/7",
    ),
    "several lines, a code in each": (
        "message",
        554,
        "5.7.1 [192.0.2.7] rejected\n5.7.1 for reasons of reputation\n5.7.1 ask your provider",
    ),
    "several lines without a code": ("RCPT", 550, "We are sorry.\nThis sender may not send mail here.\n."),
    "the code at the end": ("RCPT", 553, "mail from you to <{}> is not accepted here [5.7.1]"),
    "the code in brackets in the middle": (
        "RCPT",
        550,
        "Rejected (status=5.4.5; account over its sending limit; ticket 5.190.2026)",
    ),
    "numbers that look like a code": ("RCPT", 550, "host 10.5.1.1 build 5.1.1.0 says no to {}"),
    "German": ("RCPT", 550, "Das Tageslimit für den Versand ist erreicht, Nachricht abgelehnt"),
    "French": ("message", 554, "Envoi refusé : votre compte est suspendu, contactez le support"),
    "Spanish": ("RCPT", 550, "5.7.1 Acceso denegado: el remitente no está autorizado"),
    "Japanese": ("RCPT", 550, "送信制限を超えました。しばらくしてから再度お試しください"),
    "Russian, at the dot": ("message", 550, "5.7.0 Письмо отклонено: превышен лимит исходящих сообщений"),
    "no text": ("RCPT", 550, ""),
    "an enhanced code of another class": ("RCPT", 550, "4.7.1 try again later, or not"),
    "the sender's fault at DATA": ("DATA", 554, "no valid recipients for this account"),
    "a number of each message": ("message", 554, "Transaction failed : {} id=1wXYZ-0005Ab-QR reason=policy"),
}
OF_A_RECIPIENT = ("Postfix, unknown in a table", "a bare 550", "disabled")
"""Made-up ones that say what a recipient's refusal says."""
ALL = SEEN | MADE_UP | OTHER_SHAPES
