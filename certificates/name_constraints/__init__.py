"""Name constraints of internal CAs: what is proposed, and which names they permit."""
