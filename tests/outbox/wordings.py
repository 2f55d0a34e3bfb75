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
OURS = (
    ("us", "RCPT", 550, "5.7.1 Account suspended due to unpaid invoice"),
    ("us", "RCPT", 554, "Your SMTP user has been blocked for spamming, see panel"),
    ("us", "MAIL", 550, "Sender disabled"),
    ("domain", "RCPT", 550, "5.7.1 Client host rejected: cannot find your hostname, [192.0.2.7]"),
    ("domain", "RCPT", 554, "5.7.1 The sending IP 192.0.2.7 is on our list of spam sources"),
    ("domain", "RCPT", 550, "IP 192.0.2.7 blacklisted, delist at example.invalid"),
    (
        "domain",
        "RCPT",
        550,
        "#5.7.1 Your access to this mail system has been rejected due to the sending MTA's poor reputation",
    ),
    ("strike", "message", 552, "5.2.0 Your monthly sending allowance is exhausted, upgrade your plan"),
    ("us", "RCPT", 550, "You have used all your email credits"),
    ("later", "RCPT", 452, "4.2.2 Your account has run out of credits"),
    ("us", "RCPT", 550, "5.1.1 Your account is disabled for sending"),
    ("us", "message", 554, "5.3.0 Free tier limit reached"),
    ("domain", "RCPT", 550, "Mails from this server are not accepted; rDNS missing"),
    ("domain", "message", 550, "SPF check failed for watch.example"),
    ("domain", "message", 550, "DMARC policy reject"),
    ("domain", "message", 550, "5.7.20 No passing DKIM signature found"),
    ("strike", "RCPT", 550, "This domain has been deactivated at our end: watch.example"),
    ("us", "RCPT", 550, "5.5.1 Too many messages, slow down. Try later"),
    (
        "slower",
        "RCPT",
        421,
        "4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address",
    ),
    ("slower", "message", 421, "4.7.0 [TS01] Messages from 192.0.2.7 temporarily deferred"),
    ("slower", "message", 451, "4.7.650 The mail server [192.0.2.7] has been temporarily rate limited"),
    ("later", "RCPT", 450, "Usage limit reached. Contact sales"),
    ("domain", "RCPT", 550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP"),
    ("us", "RCPT", 550, "5.7.705 Access denied, tenant has exceeded threshold"),
    ("strike", "RCPT", 554, "El usuario ha sido suspendido por impago"),
    ("us", "RCPT", 550, "Ihr Konto wurde gesperrt. Bitte wenden Sie sich an den Support"),
    ("domain", "RCPT", 550, "Votre adresse IP est bloquée"),
    ("us", "message", 554, "Il tuo account è stato sospeso"),
    ("us", "RCPT", 550, "您的账户已被暂停发送"),
    ("us", "RCPT", 550, "Limite de envio diário excedido"),
    ("us", "RCPT", 554, "5.7.0 Trial accounts can only send to verified recipients"),
    ("us", "RCPT", 550, "Recipient not authorized: sandbox mode, verify the recipient first"),
    ("us", "RCPT", 550, "5.1.0 Sender denied"),
    ("us", "RCPT", 550, "553-Blocked\n553-your subscription has expired\n553 renew it"),
    ("strike", "RCPT", 550, "policy violation 5.0.0 [4.2.2 5.1.1]"),
    ("us", "message", 550, "The maximum number of messages for today was sent"),
    ("strike", "RCPT", 550, "Unable to verify sender's mailbox alerts@watch.example"),
    ("us", "RCPT", 550, "5.1.1 sender mailbox alerts@watch.example unknown"),
    ("refused", "DATA", 550, "Administrator of this account must accept the new terms first"),
    ("us", "RCPT", 503, "5.5.1 Error: need to log in first (authentication)"),
)
"""More of them, each with its kind: us (the channel pauses), domain (a lane does, if it is so for many),
slower, and later, strike, refused and gone, which are one person's until it is so for many.
"""
THEIRS = (
    ("gone", "RCPT", 550, "5.1.1 The email account that you tried to reach does not exist"),
    ("gone", "RCPT", 550, "5.1.1 <{}>... User unknown"),
    ("strike", "RCPT", 550, "No such user here"),
    ("strike", "RCPT", 550, "Requested action not taken: mailbox unavailable"),
    ("strike", "RCPT", 550, "5.5.0 Requested action not taken: mailbox unavailable (S2017062302)"),
    ("gone", "RCPT", 550, "sorry, no mailbox here by that name (#5.1.1)"),
    ("strike", "RCPT", 554, "delivery error: dd This user doesn't have a yahoo.example account"),
    ("strike", "RCPT", 550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)"),
    (
        "gone",
        "RCPT",
        550,
        "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {} not found by SMTP address lookup",
    ),
    ("strike", "RCPT", 553, "5.3.0 <{}>... Addressee unknown, relay=[192.0.2.7]"),
    ("strike", "RCPT", 550, "<{}>: account closed"),
    ("strike", "RCPT", 550, "5.2.1 This account has been suspended. The recipient cannot receive mail"),
    ("strike", "RCPT", 550, "The account of {} has been inactive for 12 months and was removed"),
    ("strike", "RCPT", 552, "5.2.2 The recipient's inbox is out of storage space and inactive"),
    ("later", "RCPT", 452, "4.2.2 The email account that you tried to reach is over quota"),
    ("strike", "message", 552, "5.2.3 Message exceeds the recipient's maximum size limit"),
    ("strike", "RCPT", 550, "user has moved; please try new address"),
    ("strike", "RCPT", 550, "Mailbox disabled, not accepting messages"),
    ("strike", "RCPT", 550, "Unrouteable address"),
    ("strike", "RCPT", 550, "all relevant MX records point to non-existent hosts"),
    ("strike", "RCPT", 550, "Host unknown"),
    ("strike", "RCPT", 550, "Benutzer unbekannt"),
    ("strike", "RCPT", 550, "Empfängeradresse existiert nicht"),
    ("strike", "RCPT", 550, "La boîte de réception n'existe pas"),
    ("strike", "RCPT", 550, "Usuario desconocido"),
    ("strike", "RCPT", 550, "該当するユーザーが見つかりません"),
    ("strike", "RCPT", 550, "Invalid recipient <{}>"),
    ("strike", "RCPT", 550, "<{}> is not a valid mailbox"),
    ("strike", "RCPT", 550, "Recipient's account has exceeded its daily limit of received mails"),
    (
        "later",
        "RCPT",
        450,
        "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional "
        "messages from being delivered",
    ),
    (
        "strike",
        "RCPT",
        550,
        "5.2.1 The user you are trying to contact is receiving mail too quickly. daily limit",
    ),
    ("strike", "RCPT", 550, "User's outgoing and incoming mail is disabled"),
    ("gone", "RCPT", 550, "5.1.1 unknown or illegal alias: {}"),
    ("strike", "RCPT", 550, "Recipient account is suspended"),
    ("strike", "RCPT", 550, "5.1.6 recipient no longer on server: {}"),
    ("strike", "RCPT", 551, "User not local; please try <forward@x.example>"),
)
"""Made-up refusals of a recipient, with their kinds: none may pause a channel or a domain."""
OF_A_RECIPIENT = ("Postfix, unknown in a table", "a bare 550", "disabled")
"""Made-up ones that say what a recipient's refusal says."""
ALL = SEEN | MADE_UP | OTHER_SHAPES | {text: (phase, code, text) for _, phase, code, text in OURS}
