import django.db.models.deletion
from django.db import migrations, models

import certificates.policy.issuance


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("directory_url", models.URLField(max_length=500, unique=True)),
                (
                    "url",
                    models.URLField(
                        blank=True,
                        help_text="As the CA named it; empty until registered.",
                        max_length=500,
                    ),
                ),
                ("sealed_key", models.TextField()),
                ("thumbprint", models.CharField(help_text="RFC 7638, base64url.", max_length=64)),
                ("contact_email", models.EmailField(blank=True, max_length=254)),
                ("terms_of_service_url", models.URLField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="Backoff",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("identifier_set", models.CharField(max_length=64, unique=True)),
                ("failures", models.PositiveIntegerField(default=0, help_text="In a row.")),
                ("last_failure_at", models.DateTimeField()),
                ("not_before", models.DateTimeField(help_text="No automatic attempt before then.")),
                (
                    "is_stopped",
                    models.BooleanField(
                        default=False,
                        help_text="The problem is permanent: nothing is tried until an edit.",
                    ),
                ),
                (
                    "away_directory_url",
                    models.URLField(
                        blank=True,
                        help_text="The CA that was away: its return ends the pause.",
                        max_length=500,
                    ),
                ),
                ("problem_facts", models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name="Directory",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.URLField(max_length=500, unique=True)),
                (
                    "profiles",
                    models.JSONField(blank=True, default=dict, help_text="Descriptions by name."),
                ),
                (
                    "caa_identities",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="By which it is named in CAA records (RFC 8659).",
                    ),
                ),
                ("has_renewal_information", models.BooleanField(default=False)),
                (
                    "read_at",
                    models.DateTimeField(blank=True, help_text="When it last answered.", null=True),
                ),
                ("away_since", models.DateTimeField(blank=True, null=True)),
                ("next_probe_at", models.DateTimeField(blank=True, null=True)),
                ("failed_probes", models.PositiveIntegerField(default=0)),
                ("returned_at", models.DateTimeField(blank=True, null=True)),
                ("next_order_at", models.DateTimeField(blank=True, null=True)),
                (
                    "detail",
                    models.TextField(blank=True, help_text="What the last failed attempt said."),
                ),
            ],
            options={
                "verbose_name_plural": "directories",
            },
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "component",
                    models.CharField(
                        choices=[("worker", "Worker"), ("beat", "Beat"), ("sweep", "Sweep")],
                        max_length=16,
                        unique=True,
                    ),
                ),
                ("seen_at", models.DateTimeField()),
                (
                    "warnings",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="How many the sweep has counted, so that no page has to for a number.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LastSeen",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Certificate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("lets-encrypt", "Let's Encrypt"),
                            ("imported", "Imported"),
                            ("requested", "Certificate request"),
                            ("self-signed", "Self-signed"),
                        ],
                        max_length=16,
                    ),
                ),
                ("not_before", models.DateTimeField()),
                ("not_after", models.DateTimeField()),
                (
                    "renewal_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the policy wants it renewed, failures aside; none unless we renew it.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("key_type", models.CharField(max_length=16)),
                ("serial", models.CharField(help_text="Hexadecimal, lower case.", max_length=64)),
                (
                    "sha256",
                    models.CharField(help_text="Of the leaf's DER; hexadecimal.", max_length=64),
                ),
                ("names", models.JSONField(default=list)),
                ("subject", models.CharField(blank=True, max_length=500)),
                ("issuer", models.CharField(blank=True, max_length=500)),
                ("chain_pem", models.TextField(help_text="Leaf first, then its issuers in order.")),
                ("sealed_key", models.TextField()),
                (
                    "replaces",
                    models.OneToOneField(
                        blank=True,
                        help_text="The version before this one, of a certificate that is replaced by hand.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="replaced_by",
                        to="certificates.certificate",
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="Gateway",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=63, unique=True)),
                ("hostname", models.CharField(max_length=253)),
                ("additional_hostnames", models.JSONField(blank=True, default=list)),
                ("contact_email", models.EmailField(blank=True, max_length=254)),
                (
                    "certificate_source",
                    models.CharField(
                        choices=[("lets-encrypt", "Let's Encrypt"), ("manual", "Manual")],
                        default="lets-encrypt",
                        max_length=16,
                    ),
                ),
                (
                    "key_type",
                    models.CharField(
                        choices=[
                            ("ecdsa-p256", "ECDSA P-256"),
                            ("ecdsa-p384", "ECDSA P-384"),
                            ("rsa-2048", "RSA 2048"),
                            ("rsa-3072", "RSA 3072"),
                            ("rsa-4096", "RSA 4096"),
                        ],
                        default="ecdsa-p256",
                        max_length=16,
                    ),
                ),
                (
                    "profile",
                    models.CharField(
                        blank=True,
                        help_text="A profile of the CA by name; empty for its default.",
                        max_length=64,
                    ),
                ),
                (
                    "keeps_key",
                    models.BooleanField(
                        default=False,
                        help_text="Whether a renewal keeps the private key (for DANE).",
                    ),
                ),
                (
                    "rehearses",
                    models.BooleanField(
                        default=True, help_text="Whether the renewal is rehearsed every two weeks."
                    ),
                ),
                ("next_rehearsal_at", models.DateTimeField(blank=True, null=True)),
                (
                    "terms_of_service_url",
                    models.URLField(
                        blank=True,
                        help_text="The document that was agreed to, as the CA named it.",
                        max_length=500,
                    ),
                ),
                ("terms_agreed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "files_problem",
                    models.JSONField(
                        blank=True,
                        help_text="Why the files in use are not the selected certificate's.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "selected_certificate",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="selected_by",
                        to="certificates.certificate",
                    ),
                ),
            ],
            options={
                "ordering": ("slug",),
            },
        ),
        migrations.CreateModel(
            name="FollowedFiles",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("certificate_path", models.CharField(max_length=1000)),
                (
                    "key_path",
                    models.CharField(
                        blank=True,
                        help_text="Empty when the key is in the certificate's file.",
                        max_length=1000,
                    ),
                ),
                (
                    "signature",
                    models.CharField(
                        blank=True,
                        help_text="Tells the files' present state from another.",
                        max_length=200,
                    ),
                ),
                (
                    "problem_facts",
                    models.JSONField(
                        blank=True,
                        help_text="Why what is in the files now cannot be used.",
                        null=True,
                    ),
                ),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("changed_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "certificate",
                    models.ForeignKey(
                        blank=True,
                        help_text="The newest version that came from the files.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="certificates.certificate",
                    ),
                ),
                (
                    "gateway",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="followed_files",
                        to="certificates.gateway",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CertificateRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("names", models.JSONField(help_text="A-labels, the hostname first.")),
                (
                    "subject",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="What a CA wants to know of the organization, by name.",
                    ),
                ),
                ("key_type", models.CharField(max_length=16)),
                ("csr_pem", models.TextField()),
                ("sealed_key", models.TextField()),
                (
                    "spki_sha256",
                    models.CharField(
                        help_text="Of the public key; hexadecimal.", max_length=64, unique=True
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "certificate",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="request",
                        to="certificates.certificate",
                    ),
                ),
                (
                    "gateway",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="certificate_requests",
                        to="certificates.gateway",
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at", "-pk"),
            },
        ),
        migrations.AddField(
            model_name="certificate",
            name="gateway",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="certificates",
                to="certificates.gateway",
            ),
        ),
        migrations.CreateModel(
            name="Issuance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("preflight", "Preflight"),
                            ("staging_test", "Staging test"),
                            ("production", "Production"),
                            ("installing", "Installing"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="waiting",
                        max_length=16,
                    ),
                ),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("manual", "Requested by an administrator"),
                            ("renewal", "Automatic renewal"),
                            ("rehearsal", "Rehearsal of the renewal"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "course",
                    models.CharField(
                        choices=[
                            ("tested", "tested"),
                            ("direct", "direct"),
                            ("rehearsal", "rehearsal"),
                        ],
                        default="tested",
                        max_length=16,
                    ),
                ),
                (
                    "names",
                    models.JSONField(
                        help_text="As asked for at the start; later edits do not change it."
                    ),
                ),
                (
                    "identifier_set",
                    models.CharField(
                        help_text="The fingerprint of the names, whatever their order.",
                        max_length=64,
                    ),
                ),
                ("key_type", models.CharField(max_length=16)),
                ("profile", models.CharField(blank=True, max_length=64)),
                (
                    "attempt",
                    models.PositiveIntegerField(
                        default=1,
                        help_text="Counts attempts since the last success; renewals are paced by it.",
                    ),
                ),
                ("problem_facts", models.JSONField(blank=True, null=True)),
                (
                    "step_failures",
                    models.PositiveIntegerField(
                        default=0, help_text="Transient failures in a row of the present step."
                    ),
                ),
                (
                    "failing_since",
                    models.DateTimeField(
                        blank=True, help_text="When the first of these failures was.", null=True
                    ),
                ),
                ("next_step_at", models.DateTimeField(blank=True, null=True)),
                ("lease_owner", models.CharField(blank=True, max_length=64)),
                ("lease_expires_at", models.DateTimeField(blank=True, null=True)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "gateway",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="issuances",
                        to="certificates.gateway",
                    ),
                ),
            ],
            options={
                "ordering": ("-started_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "level",
                    models.CharField(
                        choices=[
                            ("info", "Information"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                        ],
                        default="info",
                        max_length=16,
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="Stable, for filters and for monitoring.", max_length=64
                    ),
                ),
                ("message", models.TextField()),
                ("detail", models.TextField(blank=True)),
                (
                    "gateway",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="events",
                        to="certificates.gateway",
                    ),
                ),
                (
                    "issuance",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="events",
                        to="certificates.issuance",
                    ),
                ),
            ],
            options={
                "ordering": ("-at", "-pk"),
            },
        ),
        migrations.AddField(
            model_name="certificate",
            name="issuance",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="certificate",
                to="certificates.issuance",
            ),
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "environment",
                    models.CharField(
                        choices=[("staging", "staging"), ("production", "production")],
                        max_length=16,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("pending", "Pending"),
                            ("ready", "Ready"),
                            ("processing", "Processing"),
                            ("valid", "Valid"),
                            ("invalid", "Invalid"),
                        ],
                        default="new",
                        max_length=16,
                    ),
                ),
                ("sealed_key", models.TextField()),
                ("csr_pem", models.TextField()),
                ("profile", models.CharField(blank=True, help_text="As asked for.", max_length=64)),
                (
                    "replaces",
                    models.CharField(
                        blank=True,
                        help_text="The certificate that is renewed, by its RFC 9773 identifier, as asked for.",
                        max_length=255,
                    ),
                ),
                ("url", models.URLField(blank=True, max_length=500)),
                ("finalize_url", models.URLField(blank=True, max_length=500)),
                ("authorization_urls", models.JSONField(blank=True, default=list)),
                ("certificate_url", models.URLField(blank=True, max_length=500)),
                (
                    "challenge_tokens",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Published for this order; withdrawn when it is final.",
                    ),
                ),
                ("challenges_answered", models.BooleanField(default=False)),
                (
                    "tokens_withdrawn_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When nothing more was expected of the CA's visits.",
                        null=True,
                    ),
                ),
                (
                    "was_watched",
                    models.BooleanField(
                        default=False,
                        help_text="A challenge process ran all the while, so no visit was missed.",
                    ),
                ),
                (
                    "is_handed_over",
                    models.BooleanField(
                        default=False,
                        help_text="The CA is being sent the certificate request, or has been.",
                    ),
                ),
                (
                    "polls",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Since the last change of status; spaces the next poll.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="certificates.account"
                    ),
                ),
                (
                    "issuance",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="orders",
                        to="certificates.issuance",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LimitUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("directory_url", models.URLField(max_length=500)),
                (
                    "limit",
                    models.CharField(
                        choices=[
                            ("new-orders", "new-orders"),
                            ("certificates-per-domain", "certificates-per-domain"),
                            ("certificates-per-set", "certificates-per-set"),
                            ("failed-authorizations", "failed-authorizations"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="A name, a domain or a set of names; else empty.",
                        max_length=253,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="limit_uses",
                        to="certificates.order",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Pause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("directory_url", models.URLField(max_length=500)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("ca", "ca"),
                            ("account", "account"),
                            ("registered-domain", "registered-domain"),
                            ("identifier-set", "identifier-set"),
                            ("identifier", "identifier"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="A name, a domain or a set of names; else empty.",
                        max_length=253,
                    ),
                ),
                ("until", models.DateTimeField()),
                ("problem_facts", models.JSONField()),
            ],
            options={
                "indexes": [models.Index(fields=["until"], name="certificate_until_973586_idx")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("directory_url", "scope", "subject"), name="one_pause_per_subject"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Preflight",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "names",
                    models.JSONField(help_text="As looked at; later edits do not change it."),
                ),
                (
                    "progress",
                    models.CharField(
                        blank=True, help_text="What is being looked at, in words.", max_length=200
                    ),
                ),
                (
                    "step",
                    models.PositiveSmallIntegerField(default=0, help_text="Of ``steps``, from 1."),
                ),
                (
                    "steps",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="0 before the first one."
                    ),
                ),
                ("findings", models.JSONField(blank=True, default=list)),
                (
                    "established",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Pairs of a fact's code and its sentence.",
                    ),
                ),
                (
                    "addresses",
                    models.JSONField(
                        blank=True, default=dict, help_text="Of each name, those in the public DNS."
                    ),
                ),
                ("started_at", models.DateTimeField(help_text="When it was asked for.")),
                (
                    "taken_at",
                    models.DateTimeField(
                        blank=True, help_text="When somebody began to carry it out.", null=True
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "gateway",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="preflights",
                        to="certificates.gateway",
                    ),
                ),
                (
                    "issuance",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="preflight",
                        to="certificates.issuance",
                    ),
                ),
            ],
            options={
                "ordering": ("-started_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="RenewalInformation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("window_start", models.DateTimeField(blank=True, null=True)),
                ("window_end", models.DateTimeField(blank=True, null=True)),
                ("explanation_url", models.URLField(blank=True, max_length=500)),
                (
                    "checked_at",
                    models.DateTimeField(
                        blank=True, help_text="The last usable answer.", null=True
                    ),
                ),
                ("next_check_at", models.DateTimeField()),
                ("failures", models.PositiveIntegerField(default=0, help_text="In a row.")),
                (
                    "certificate",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="renewal_information",
                        to="certificates.certificate",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Stage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("preflight", "Preflight"),
                            ("staging_test", "Staging test"),
                            ("production", "Production"),
                            ("installing", "Installing"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="running",
                        max_length=16,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "issuance",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stages",
                        to="certificates.issuance",
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        migrations.AddIndex(
            model_name="gateway",
            index=models.Index(fields=["hostname"], name="certificate_hostnam_878fc0_idx"),
        ),
        migrations.AddIndex(
            model_name="gateway",
            index=models.Index(fields=["next_rehearsal_at"], name="certificate_next_re_6c3fbc_idx"),
        ),
        migrations.AddIndex(
            model_name="issuance",
            index=models.Index(fields=["next_step_at"], name="certificate_next_st_7d9654_idx"),
        ),
        migrations.AddIndex(
            model_name="issuance",
            index=models.Index(
                fields=["gateway", "-started_at", "-id"], name="certificate_gateway_0321e8_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="issuance",
            index=models.Index(
                condition=models.Q(("problem_facts__isnull", False)),
                fields=["gateway"],
                name="issuance_with_problem",
            ),
        ),
        migrations.AddConstraint(
            model_name="issuance",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            certificates.policy.issuance.State["CANCELLED"],
                            certificates.policy.issuance.State["DONE"],
                            certificates.policy.issuance.State["FAILED"],
                        ],
                    ),
                    _negated=True,
                ),
                fields=("gateway",),
                name="one_live_issuance_per_gateway",
            ),
        ),
        migrations.AddConstraint(
            model_name="issuance",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            certificates.policy.issuance.State["CANCELLED"],
                            certificates.policy.issuance.State["DONE"],
                            certificates.policy.issuance.State["FAILED"],
                        ],
                    ),
                    _negated=True,
                ),
                fields=("identifier_set",),
                name="one_live_issuance_per_identifier_set",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["-at", "-id"], name="certificate_at_dcc267_idx"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["gateway", "-at"], name="certificate_gateway_c6a03f_idx"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["level", "-at"], name="certificate_level_9c2d08_idx"),
        ),
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(
                fields=["gateway", "-not_after"], name="certificate_gateway_b6415b_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(fields=["renewal_at"], name="certificate_renewal_04c76c_idx"),
        ),
        migrations.AddConstraint(
            model_name="certificate",
            constraint=models.UniqueConstraint(
                fields=("gateway", "sha256"), name="certificate_once_per_gateway"
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "invalid"), _negated=True),
                fields=("issuance", "environment"),
                name="one_live_order_per_environment",
            ),
        ),
        migrations.AddIndex(
            model_name="limituse",
            index=models.Index(
                fields=["directory_url", "limit", "subject", "at"],
                name="certificate_directo_92f7e8_idx",
            ),
        ),
        migrations.AddIndex(
            model_name="limituse",
            index=models.Index(fields=["at"], name="certificate_at_ce6add_idx"),
        ),
        migrations.AddIndex(
            model_name="preflight",
            index=models.Index(
                fields=["gateway", "-started_at", "-id"], name="certificate_gateway_04ce4e_idx"
            ),
        ),
        migrations.AddConstraint(
            model_name="preflight",
            constraint=models.UniqueConstraint(
                condition=models.Q(("finished_at__isnull", True), ("issuance__isnull", True)),
                fields=("gateway",),
                name="one_running_preflight_per_gateway",
            ),
        ),
        migrations.AddIndex(
            model_name="renewalinformation",
            index=models.Index(fields=["next_check_at"], name="certificate_next_ch_a59c2a_idx"),
        ),
        migrations.AddConstraint(
            model_name="stage",
            constraint=models.UniqueConstraint(
                fields=("issuance", "stage"), name="stage_once_per_issuance"
            ),
        ),
    ]
