"""Reports: one ``AuditReport`` → text, tables, a page, a document. Nothing here prints or stores."""
