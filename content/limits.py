"""The narrowest limits of the channels: content that keeps them can be sent on every one of them.

Sources: Bot API 10.1 (message text 4,096, callback data 64 bytes); WhatsApp Cloud API, message pages (body with
buttons 1,024, button title 20, body without buttons 4,096).
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
