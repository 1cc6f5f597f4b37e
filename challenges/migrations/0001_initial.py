import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ChallengeToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token", models.CharField(max_length=128, unique=True)),
                ("key_authorization", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="ValidationRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token", models.CharField(db_index=True, max_length=128)),
                (
                    "is_known",
                    models.BooleanField(
                        help_text="Whether the token was published; none when the database could not be asked.",
                        null=True,
                    ),
                ),
                (
                    "was_sent",
                    models.BooleanField(
                        default=True,
                        help_text="Whether the peer was still there when the answer was sent.",
                    ),
                ),
                ("received_at", models.DateTimeField(db_index=True)),
                (
                    "address",
                    models.GenericIPAddressField(
                        help_text="The peer's; a router may have changed it."
                    ),
                ),
                (
                    "host",
                    models.CharField(
                        blank=True, help_text="The Host header, without port.", max_length=255
                    ),
                ),
                ("user_agent", models.CharField(blank=True, max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="ChallengeListener",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                (
                    "place",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Tells apart who has the same hostname.",
                        max_length=128,
                    ),
                ),
                ("pid", models.PositiveIntegerField()),
                (
                    "port",
                    models.PositiveIntegerField(
                        help_text="Bound now; none when nothing is.", null=True
                    ),
                ),
                ("addresses", models.TextField(blank=True)),
                ("wanted_port", models.PositiveIntegerField()),
                (
                    "error",
                    models.TextField(blank=True, help_text="Why the wanted port is not bound."),
                ),
                (
                    "lowest_port",
                    models.PositiveIntegerField(
                        default=1024,
                        help_text="The lowest port that this process has the right to bind.",
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField(help_text="Heartbeat.")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("host", "place"), name="challenge_listener_is_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="NetworkSettings",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "scenario",
                    models.CharField(
                        choices=[
                            ("lan", "Local area network (behind a router with NAT)"),
                            ("external", "External network (public IP address)"),
                        ],
                        default="lan",
                        max_length=16,
                    ),
                ),
                (
                    "challenge_port",
                    models.PositiveIntegerField(
                        default=8080,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(65535),
                        ],
                    ),
                ),
                (
                    "changed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When one of them last became another one; none if never.",
                        null=True,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "network settings",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("pk", 1)), name="network_settings_is_one_row"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("challenge_port__gte", 1), ("challenge_port__lte", 65535)
                        ),
                        name="network_settings_port_is_a_port",
                    ),
                ],
            },
        ),
    ]
