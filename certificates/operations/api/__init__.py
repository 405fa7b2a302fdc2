"""Operations in the REST API."""
