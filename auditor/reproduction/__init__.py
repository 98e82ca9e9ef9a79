"""Two studies of Dyck Transformers again, with our own trainer and our own audits, beside the numbers of their code."""
