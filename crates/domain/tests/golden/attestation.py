"""Makes attestation.json: signatures of reports by the `cryptography` package, independent of our own code.

Run: python attestation.py > attestation.json
"""

import hashlib
import json
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def case(secret: bytes, report: bytes, evaluator: str) -> dict:
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    fields = [b"mf.report.v1", report, evaluator.encode(), public]
    message = b"".join(struct.pack("<I", len(field)) + field for field in fields)
    return {
        "secret": secret.hex(),
        "public_key": public.hex(),
        "report": "sha256:" + report.hex(),
        "evaluator": evaluator,
        "signature": key.sign(message).hex(),
    }


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


CASES = [(digest(f"secret {n}"), digest(f"report {n}"), name) for n, name in enumerate(["eval-1", "local", "lab/north"])]
print(json.dumps([case(*arguments) for arguments in CASES], indent=1))
