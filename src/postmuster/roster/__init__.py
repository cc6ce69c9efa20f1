"""People, mailboxes, components and employment classes, in numbered versions."""
