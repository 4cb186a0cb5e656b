"""The narrowest limits of the channels: content that keeps them can be sent on every one of them.

Sources: Bot API 10.1 (message text 4,096, callback data 64 bytes); WhatsApp Cloud API, message pages (body with
buttons 1,024, button title 20, body without buttons 4,096). Templates: WhatsApp Business Management API, pages
"Template components" and "Time-to-live".
"""

TEXT = 4096
TEXT_WITH_BUTTONS = 1024
BUTTON_LABEL = 20
CHOICE_BYTES = 64
SITUATION_WORDS = (40, 90)
OPTION = 110
WHY_WORDS = (20, 50)
TO_DO = 140
SCENARIO = 900  # situation and options; leaves room for the heading within TEXT_WITH_BUTTONS

TEMPLATE_BODY = 1024
TEMPLATE_FOOTER = 60
QUICK_REPLIES = 3  # Meta takes ten, but a template with four cannot be seen on a computer
QUICK_REPLY_LABEL = 25
TEMPLATE_WORDS = 3  # fixed words a variable, and one more: Meta refuses too few (2388293) and does not say how many
UTILITY_SECONDS = (30, 12 * 3600)  # how long Meta may try to deliver
MARKETING_SECONDS = (12 * 3600, 30 * 24 * 3600)
