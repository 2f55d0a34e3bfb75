"""The key file: its keys encrypt addresses, find them by hash, and sign tokens.

One master of 32 random bytes in ``monitor.key`` (mode 0600) beside, never inside, the database; every use has
a subkey, derived by HKDF (RFC 5869). A database whose addresses were encrypted with another key is refused.

A rotation replaces the master: `begin_rotation` writes the new one aside, one transaction encrypts the
database again and names the new key (`block_key_readers`, `rebind`), and `finish_rotation` puts the file
into place. If it is interrupted, the database says which of the two files is its key. Other processes begin
every transaction with `KeyFile.refresh` and change to the new key before they use one; `block_key_readers`
waits for transactions that began before.

A rotation does not replace the lookup key, so that hashes of addresses that are no longer known
(suppressions, erasures) are still found. Only `monitor key rotate --leaked` adds one, with the service
stopped: from then on, a lookup is the first key's hash, hashed again with the second key, and stored hashes
are hashed again. Links in sent mails must keep working, and browsers accept no push message signed with
another key. So the file keeps the lookup keys, the earlier token keys and the secret of push messages, but
nothing that decrypts an address.
"""

from monitor.keys.file_format import NAME, NEXT, KeyFileContent
from monitor.keys.key_file import KeyFile

__all__ = [
    "NAME",
    "NEXT",
    "KeyFile",
    "KeyFileContent",
]
