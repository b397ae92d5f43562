"""Reports: what is told about a protected photo: fidelity, verdict, what an encoder looks at, the contact sheet."""
