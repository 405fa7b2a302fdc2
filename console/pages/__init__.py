"""Building blocks of the pages: tables, forms, charts, navigation, errors."""
