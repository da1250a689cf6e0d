"""What several tests share: stand-ins, made data and slow references."""
