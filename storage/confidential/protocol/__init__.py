"""Formats and checks of the second protocol of confidential queries; pure functions, described in docs/protocol.md."""
