"""The operators' web console: pages made on the server; what they show and do goes over the desk."""
