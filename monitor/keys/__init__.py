"""The key file: its keys encrypt addresses, find them by hash, and sign tokens.

One master of 32 random bytes in ``monitor.key`` (mode 0600) beside, never inside, the database; every use has
a subkey, derived by HKDF (RFC 5869). A database whose addresses were encrypted with another key is refused.

A rotation replaces the master: `begin_rotation` writes the new one aside, one transaction encrypts the
database again and names the new key (`exclude`, `rebind`), and `finish_rotation` puts the file into place.
Whenever it is interrupted, the database says which of the two files is its key. Other processes begin every
transaction by asking (`KeyFile.refresh`) and change to the new key before they use any; `exclude` waits for
those that began before.

The look-up key is not replaced by a rotation, so that hashes of addresses that are no longer known
(suppressions, erasures) are still found. Only `monitor key rotate --leaked` adds one, with the service
stopped: from then on a look-up is the first key's hash, hashed once more with the second key, and stored
hashes are hashed once more. Links in sent mails must keep working, and browsers take no push message that
another key has signed. So the file keeps the look-up keys, the earlier token keys and the secret of push
messages, and nothing that decrypts an address.
"""

from monitor.keys.files import NAME, NEXT, KeyFileContent
from monitor.keys.keyfile import KeyFile

__all__ = [
    "NAME",
    "NEXT",
    "KeyFile",
    "KeyFileContent",
]
