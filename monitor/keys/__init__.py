"""The key file: what seals addresses, finds them by hash, and signs tokens.

One master of 32 random bytes in ``monitor.key`` (mode 0600) beside, never inside, the database; every use has a subkey of its
own, derived by HKDF (RFC 5869). A database whose addresses were sealed with another key is refused, never re-keyed.

A rotation exchanges the master: `begin_rotation` writes the new one aside, the database is sealed anew and names it in one transaction
(`exclude`, `rebind`), and `finish_rotation` puts it into place. Whichever moment it is cut off in, the database says which of the two
files is its key. Other processes go on meanwhile: each begins every transaction by asking (`KeyFile.refresh`) and goes over to the new key
before it uses any, and `exclude` has waited for those that began before.

Hashes of addresses that are no longer known (suppressions, tombstones) must still be found, so a look-up is a chain: the first key's
hash, hashed with the second key, and so on; stored hashes are carried along by hashing them once more. Links in mails that were sent
must go on working. So the file keeps the earlier look-up and token keys, and nothing that opens an address.
"""

from monitor.keys.files import NAME, NEXT, Earlier
from monitor.keys.keyfile import KeyFile

__all__ = [
    "NAME",
    "NEXT",
    "Earlier",
    "KeyFile",
]
