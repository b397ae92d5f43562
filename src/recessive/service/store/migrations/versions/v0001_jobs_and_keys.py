"""Jobs and keys, from nothing."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables, and the database's identity."""
    identity = op.create_table("identity", sa.Column("id", sa.Text(), primary_key=True))
    op.bulk_insert(identity, [{"id": secrets.token_hex(16)}])
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("revoked", sa.Double()),
        sa.Column("per_day", sa.Integer()),
        sa.Column("waiting", sa.Integer()),
    )
    op.create_index("keys_by_digest", "keys", ["digest"], unique=True)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("original", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("deliver_to", sa.Text()),
        sa.Column("idempotency", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("ready", sa.Double(), nullable=False),
        sa.Column("started", sa.Double()),
        sa.Column("finished", sa.Double()),
        sa.Column("expires", sa.Double()),
        sa.Column("error", sa.Text()),
        sa.Column("report", sa.JSON()),
        sa.Column("insight", sa.JSON()),
        sa.Column("result", sa.Text()),
        sa.Column("sheet", sa.Text()),
        sa.Column("worker", sa.Text()),
        sa.Column("token", sa.Text()),
        sa.Column("lease", sa.Double()),
        sa.Column("delivery", sa.Text()),
        sa.Column("delivery_attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("delivery_next", sa.Double()),
        sa.Column("delivery_error", sa.Text()),
        sa.Column("delivered", sa.Double()),
        sa.Column("delivery_worker", sa.Text()),
        sa.Column("delivery_token", sa.Text()),
        sa.Column("delivery_lease", sa.Double()),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "created", "id"])
    op.create_index("jobs_by_owner", "jobs", ["owner", "created", "id"])
    op.create_index("jobs_by_idempotency", "jobs", ["owner", "idempotency"], unique=True)
    op.create_index("jobs_by_expiry", "jobs", ["expires"])
    op.create_index("jobs_by_delivery", "jobs", ["delivery", "delivery_next"])
    op.create_table(
        "accepted",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )
    op.create_index("accepted_by_owner", "accepted", ["owner", "at"])
    op.create_index("accepted_by_time", "accepted", ["at"])
    op.create_table(
        "history",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("job", sa.Text(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text()),
    )
    op.create_index("history_by_job", "history", ["job", "number"])
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("seen", sa.Double(), nullable=False),
    )
