"""Addresses of the account pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from keyhouse.accounts.views import (
    account,
    newcomers,
    operator,
    passwords,
    recovery_codes,
    second_factors,
    security_keys,
    sessions,
    sign_in,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("account/", account.home, name="account"),
    path("account/sign-in/", sign_in.sign_in, name="sign-in"),
    path("account/second-factor/", sign_in.second_factor, name="second-factor"),
    path(
        "account/second-factor/recovery-code/",
        sign_in.second_factor_recovery,
        name="second-factor-recovery",
    ),
    path("account/sign-out/", sign_in.sign_out, name="sign-out"),
    path("account/step-up/", sign_in.step_up, name="step-up"),
    path("account/second-factors/", second_factors.second_factors, name="second-factors"),
    path("account/second-factors/add/", second_factors.add_authenticator, name="second-factor-add"),
    path(
        "account/second-factors/<int:authenticator_id>/remove/",
        second_factors.remove,
        name="second-factor-remove",
    ),
    path(
        "account/second-factors/<int:authenticator_id>/enable/",
        second_factors.enable,
        name="second-factor-enable",
    ),
    path(
        "account/second-factors/<int:authenticator_id>/rename/",
        second_factors.rename,
        name="second-factor-rename",
    ),
    path("account/security-keys/add/", security_keys.add, name="security-key-add"),
    path("account/security-keys/options/", security_keys.enrolment_options, name="security-key-options"),
    path("account/security-keys/<int:key_id>/remove/", security_keys.remove, name="security-key-remove"),
    path("account/sign-in/passkey/", security_keys.sign_in, name="passkey"),
    path("account/sign-in/passkey/options/", security_keys.sign_in_options, name="passkey-options"),
    path("account/second-factor/security-key/", security_keys.second_factor, name="second-factor-key"),
    path(
        "account/second-factor/security-key/options/",
        security_keys.second_factor_options,
        name="second-factor-key-options",
    ),
    path("account/step-up/security-key/", security_keys.step_up, name="step-up-key"),
    path("account/step-up/security-key/options/", security_keys.step_up_options, name="step-up-key-options"),
    path("account/step-up/app/", sign_in.step_up_app, name="step-up-app"),
    path("account/step-up/recovery-code/", sign_in.step_up_recovery, name="step-up-recovery"),
    path("account/recovery-codes/", recovery_codes.recovery_codes, name="recovery-codes"),
    path("account/recovery-codes/new/", recovery_codes.new_recovery_codes, name="recovery-codes-new"),
    path("account/password/", account.password, name="password"),
    path("account/password/remove/", passwords.remove, name="password-remove"),
    path("account/password/forgotten/", passwords.forgotten, name="password-forgotten"),
    path("account/password/forgotten/mailed/", passwords.forgotten_mailed, name="password-forgotten-mailed"),
    path("password-reset/<str:secret>/", passwords.reset, name="password-reset"),
    path("account/sessions/", sessions.sessions, name="sessions"),
    path("account/browsers/forget/", sessions.forget_browsers, name="browsers-forget"),
    path("account/history/", account.own_history, name="history"),
    path("operator/audit/", operator.audit, name="audit"),
    path("setup/<str:secret>/", newcomers.setup_begin, name="setup"),
    path("setup/<str:secret>/account/", newcomers.setup_account, name="setup-account"),
    path("setup/<str:secret>/authenticator/", newcomers.setup_authenticator, name="setup-authenticator"),
    path("setup/<str:secret>/security-key/", newcomers.setup_key, name="setup-key"),
    path(
        "setup/<str:secret>/security-key/options/",
        newcomers.setup_key_options,
        name="setup-key-options",
    ),
    path("setup/<str:secret>/recovery-codes/", newcomers.setup_recovery_codes, name="setup-recovery-codes"),
    path("invitation/<str:secret>/", newcomers.invitation_begin, name="invitation"),
    path("invitation/<str:secret>/account/", newcomers.invitation_account, name="invitation-account"),
    path(
        "invitation/<str:secret>/authenticator/",
        newcomers.invitation_authenticator,
        name="invitation-authenticator",
    ),
    path("invitation/<str:secret>/security-key/", newcomers.invitation_key, name="invitation-key"),
    path(
        "invitation/<str:secret>/security-key/options/",
        newcomers.invitation_key_options,
        name="invitation-key-options",
    ),
    path(
        "invitation/<str:secret>/recovery-codes/",
        newcomers.invitation_recovery_codes,
        name="invitation-recovery-codes",
    ),
    path("enrolment/<str:secret>/", newcomers.enrolment_begin, name="enrolment"),
    path("enrolment/<str:secret>/account/", newcomers.enrolment_account, name="enrolment-account"),
    path(
        "enrolment/<str:secret>/authenticator/",
        newcomers.enrolment_authenticator,
        name="enrolment-authenticator",
    ),
    path("enrolment/<str:secret>/security-key/", newcomers.enrolment_key, name="enrolment-key"),
    path(
        "enrolment/<str:secret>/security-key/options/",
        newcomers.enrolment_key_options,
        name="enrolment-key-options",
    ),
    path(
        "enrolment/<str:secret>/recovery-codes/",
        newcomers.enrolment_recovery_codes,
        name="enrolment-recovery-codes",
    ),
]
