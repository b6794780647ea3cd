"""Which action each command and each job of the index is: the part of the catalogue that has no address.

Pages say it on their views, the ASGI routes in their table, the read plane in `dev_routes.READS`; a test walks all of
them, every command and every job, and fails on one that is missing here.
"""

from __future__ import annotations

from typing import Final

HOST: Final = "host.command"

# Command → action. The host isn't gated (whoever has the machine has the database); the services that these call ask
# authority by the same name, and write it into the audit log.
COMMANDS: Final[dict[str, str]] = {
    "serve": HOST,
    "settings": HOST,
    "limits": HOST,
    "setup-link": "setup.link",
    "user list": HOST,
    "user invite": "user.invite",
    "user invited": HOST,
    "user recover": "enrolment.link",
    "user show": HOST,
    "user suspend": "person.suspend",
    "user reinstate": "person.reinstate",
    "user off-board": "person.off-board",
    "user end-sessions": "person.end-sessions",
    "project list": HOST,
    "project show": HOST,
    "project people": HOST,
    "project yank": "release.yank",
    "project unyank": "release.unyank",
    "project delete": "project.delete",
    "project restore": "project.restore",
    "project archive": "project.archive",
    "project unarchive": "project.unarchive",
    "project deprecate": "project.deprecate",
    "token list": HOST,
    "token revoke": HOST,
    "mandate plan": HOST,
    "mandate apply": "mandate.propose",
    "mandate status": HOST,
    "mandate show": HOST,
    "mandate check": HOST,
    "mandate explain": HOST,
    "mandate exempt": "exemption.propose",
    "mandate exemptions": HOST,
    "mandate withdraw": "mandate.withdraw",
    "mandate withdraw-exemption": "mandate.withdraw",
    "mandate tokens": HOST,
    "audit": HOST,
    "audit verify": HOST,
    "mail list": HOST,
    "mail domains": HOST,
    "mail test": HOST,
    "mail retry": "mail.retry",
    "mail clear": "mail.clear-bounce",
    "freeze set": "switch.set",
    "freeze list": HOST,
    "thaw": "switch.lift",
    "import run": HOST,
    "import status": HOST,
    "import remind": "user.invite",
    "names reserve": "name.reserve",
    "names release": "name.release",
    "names list": HOST,
    "quarantine set": "quarantine.set",
    "quarantine lift": "quarantine.lift",
    "quarantine list": HOST,
    "check": HOST,
    "storage verify": HOST,
    "rebuild-pages": HOST,
    "backup": HOST,
    "restore": HOST,
    "keys list": HOST,
    "keys retire": HOST,
    "keys rotate": HOST,
    "passwords import": HOST,
    "passwords check": HOST,
    "passwords status": HOST,
    "dev seed": HOST,
    "dev settle": HOST,
    "dev routes": HOST,
    "dev decisions": HOST,
    "dev dead-ends": HOST,
    "dev verify": HOST,
}

# Action → where it is asked beside another one's door, or inside it.
INSIDE: Final[dict[str, str]] = {
    "site.static": "files under `/static/`, beside Django's routes",
    "email.lose-domain": "the job `mail-domains`",
    "user.create": "`keyhouse dev seed`, and the making of an account",
    "password.disable": "the job `password`",
    "second-factor.disable": "the job `second-factor`",
    "second-factor.remove-last": "the removal of an authenticator app or a security key, when it is the last",
    "removal.sweep": "the job `removal-sweep`",
    "account.forget": "the job `account-deletion`",
    "recovery.settle": "the job `recovery`, once a case has proofs enough",
    "recovery.stop": "a second factor that is proven, and the link that says “this was not me”",
    "switch.set-long": "the page and the command of `switch.set`, where the end lies more than a day ahead",
    "token.use": "whatever is gated and done with a token",
    "index.read-private": "every read of a private index, by installers and in pages",
    "project.create": "the first upload to a name",
}

# Job, as the audit log names it → what it does.
JOBS: Final[dict[str, str]] = {
    "mandate": "writes the mandate that a new index starts with",
    "token-disposition": "ends weak tokens that a mandate revokes",
    "password": "disables a password that is known to others, at its next use",
    "mail-bounces": "keeps what a mail service reports at `/_/mail/bounces`",
    "account-deletion": "deletes accounts whose wait is over, and frees the names of those long gone",
    "removal-sweep": "lets go of deleted projects, releases and files once they can't be brought back",
    "mail-domains": "counts addresses as unproven whose domain is gone",
    "recovery": "lets a recovery case be ready from an instant on, once it has proofs enough",
    "second-factor": "switches an app off after a hundred wrong codes, and a key whose counter did not rise",
}
# Threads beside requests → what they do. They act for nobody and change nothing that has an audit record.
LOOPS: Final[dict[str, str]] = {
    "index-keeper": "renders what installers will ask for",
    "index-follower": "notices changes that other processes made",
    "mandate-history": "writes the facts of gated attempts",
    "audit-sealer": "chains audit records",
    "account-keeper": "runs the job `account-deletion`",
    "removal-keeper": "runs the job `removal-sweep`",
    "mandate-keeper": "works out critical and protected projects, and runs the job `token-disposition`",
    "mail-domains": "asks for the domains of addresses once a day, and runs the job `mail-domains`",
    "mail-security": "delivers security mails",
    "mail-bulk": "delivers other mails, after those and at a set rate; forgets old ones",
    "password-range": "asks the range service for compromised passwords, so that nobody waits longer than is set",
    "search-filler": "makes the rows by which projects are found, where an upgrade left them missing",
    "parent": "ends a worker whose parent is gone",
}
