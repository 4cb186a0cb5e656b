"""The browser chat channel: pages, forms and event stream."""
