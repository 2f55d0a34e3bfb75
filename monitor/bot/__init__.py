"""The Telegram bot: people and groups say which places they watch, and are answered in English or Spanish.

An entry point beside the site. Alerts themselves are the sender's: this room only talks. `Bot.serve` runs in the loop of the service;
with a webhook, whoever serves HTTP gives the body of each request to `Bot.handle_update`.
"""

from monitor.bot.context import BotContext, BotList, Covering, Timing, Webhook
from monitor.bot.runner import Bot

__all__ = ["Bot", "BotContext", "BotList", "Covering", "Timing", "Webhook"]
