"""The strictest limits of all channels: content within them can be sent on every channel.

Sources: Telegram Bot API 10.1 (message text 4,096, callback data 64 bytes); WhatsApp Cloud API, message pages (body
with buttons 1,024, button title 20, body without buttons 4,096). Templates: WhatsApp Business Management API, pages
"Templates", "Template components", "Template review" and "Time-to-live". Characters, unless the name or comment says
otherwise.
"""

TEXT = 4096
TEXT_WITH_BUTTONS = 1024
BUTTON_LABEL = 20
CHOICE_BYTES = 64  # of a button's payload
SITUATION_WORDS = (40, 90)  # minimum and maximum
OPTION = 110
WHY_WORDS = (20, 50)  # minimum and maximum
TO_DO = 140
SCENARIO = 900  # situation and options; leaves room for the heading within TEXT_WITH_BUTTONS

TEMPLATE_BODY = 1024
TEMPLATE_FOOTER = 60
QUICK_REPLIES = 3  # Meta accepts ten, but WhatsApp on a computer does not show a template with four
QUICK_REPLY_LABEL = 25
TEMPLATE_WORDS = 3  # fixed words per variable, plus one; Meta rejects too few (2388293) without stating the minimum
UTILITY_SECONDS = (30, 12 * 3600)  # minimum and maximum time for which Meta may try to deliver
MARKETING_SECONDS = (12 * 3600, 30 * 24 * 3600)
