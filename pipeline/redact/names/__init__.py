"""People's names: by the words around them, by lists, by the e-mail address beside them."""
