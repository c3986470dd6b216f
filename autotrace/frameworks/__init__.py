"""The web frameworks: what each calls for a request, its route, its errors."""
