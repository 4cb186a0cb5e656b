"""Export and import of scenarios: CSV, XLSX, TOML, JSON, GIFT."""
