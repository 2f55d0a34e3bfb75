"""The Telegram bot: people and groups choose the places they watch, in English or Spanish.

A face beside the site. It does not send alerts: the outbox does. `Bot.serve` runs in the loop of the service;
with a webhook, the site stores what arrives (`web.telegram_webhook`), and the bot reads it from the database.
"""

from monitor.bot.composition import create
from monitor.bot.context import BotContext, Covering, Timing, Webhook
from monitor.bot.runner import Bot

__all__ = ["Bot", "BotContext", "Covering", "Timing", "Webhook", "create"]
