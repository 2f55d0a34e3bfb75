"""Operations: the health of each part of the service, metrics, notices to the operator, backups."""
