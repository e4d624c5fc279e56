#include "daemon/auth/method_choice.hpp"

#include "daemon/auth/ident_maps.hpp"

#include <pwd.h>
#include <sys/types.h>

#include <array>

namespace weir::daemon::auth {

namespace {

using config::auth_type;
using verdict = method_choice::verdict;

method_choice prove(proof how) {
    return {verdict::prove, how, {}, {}, {}};
}

method_choice refuse(std::string message, std::string reason, std::string hint) {
    return {
        verdict::refused,
        proof::scram_sha_256,
        std::move(message),
        std::move(reason),
        std::move(hint)};
}

/// `host "192.0.2.7", user "app", database "shop", no encryption`, as PostgreSQL says it.
std::string described(const connection_facts& facts, const login_name& login) {
    std::string text = "host \"" + (facts.is_unix ? "[local]" : facts.address) + "\", user \"" +
                       std::string{login.user} + "\", ";
    if (!login.is_replication) text += "database \"" + std::string{login.database} + "\", ";
    return text + (facts.is_tls ? "SSL encryption" : "no encryption");
}

bool admits(
    const config::auth_options& options,
    const std::string& map,
    const std::string& name,
    std::string_view user
) {
    static const ident_maps none;
    const auto& maps = options.ident ? *options.ident : none;
    return maps.admits(map, name, user);
}

method_choice no_certificate() {
    return refuse(
        "connection requires a valid client certificate",
        "no client certificate that an authority of listen.tls.ca_file has signed",
        "Give the client sslcert and sslkey, and connect over TLS."
    );
}

/// Nothing when the certificate is what the rule wants.
std::optional<method_choice> check_certificate(
    const config::auth_options& options,
    const connection_facts& facts,
    const login_name& login,
    const hba_rule& rule
) {
    if (rule.client_certificate == hba_rule::certificate::not_needed) return std::nullopt;
    if (!facts.certificate || !facts.certificate->is_verified) return no_certificate();
    if (rule.client_certificate == hba_rule::certificate::verified) return std::nullopt;
    const auto& name = rule.by_distinguished_name ? facts.certificate->distinguished_name
                                                  : facts.certificate->common_name;
    if (!name.empty() && admits(options, rule.map, name, login.user)) return std::nullopt;
    return refuse(
        "certificate authentication failed for user \"" + std::string{login.user} + "\"",
        "the certificate is of \"" + name + "\"" +
            (rule.map.empty() ? "" : ", whom map " + rule.map + " does not let in as this user"),
        "The certificate's common name must be the user's name, or auth.ident_file must map it."
    );
}

method_choice check_peer(
    const config::auth_options& options,
    const connection_facts& facts,
    const login_name& login,
    const hba_rule& rule
) {
    const auto name = facts.system_user ? facts.system_user() : std::nullopt;
    if (name && admits(options, rule.map, *name, login.user))
        return {verdict::granted, {}, {}, {}, {}};
    return refuse(
        "Peer authentication failed for user \"" + std::string{login.user} + "\"",
        name ? "the client is run by \"" + *name + "\"" : "who runs the client is not known",
        "The user must have the name of the operating-system user, or auth.ident_file must map it."
    );
}

/// Without a users file everybody is known; with one, only who is in it, unless the server knows
/// more.
method_choice trusted(const config::auth_options& options, const login_name& login) {
    const bool is_known =
        options.users_file.empty() || login.may_be_at_server || options.users.contains(login.user);
    return {is_known ? verdict::granted : verdict::unknown_user, {}, {}, {}, {}};
}

method_choice by_rule(
    const config::auth_options& options, const connection_facts& facts, const login_name& login
) {
    const auto* const rule =
        options.hba ? options.hba->match(facts, login.database, login.user, login.is_replication)
                    : nullptr;
    if (rule == nullptr) {
        return refuse(
            "no pg_hba.conf entry for " + described(facts, login),
            "no rule of auth.hba_file fits",
            "Add a rule to pgweir's auth.hba_file, or connect in a way that it allows."
        );
    }
    const std::string place = rule->file + ":" + std::to_string(rule->line);
    if (rule->method == hba_method::reject) {
        return refuse(
            "pg_hba.conf rejects connection for " + described(facts, login),
            "rejected by " + place,
            "A rule of pgweir's auth.hba_file keeps these connections out."
        );
    }
    if (auto refused = check_certificate(options, facts, login, *rule)) {
        refused->reason += " (" + place + ")";
        return std::move(*refused);
    }
    switch (rule->method) {
        case hba_method::trust:
            return trusted(options, login);
        case hba_method::cert:
            return {verdict::granted, {}, {}, {}, {}};
        case hba_method::peer: {
            auto checked = check_peer(options, facts, login, *rule);
            if (checked.what == verdict::refused) checked.reason += " (" + place + ")";
            return checked;
        }
        case hba_method::password:
            return prove(proof::password);
        case hba_method::md5:
            return prove(proof::md5);
        case hba_method::scram_sha_256:
            return prove(proof::scram_sha_256);
        case hba_method::reject:
            break;
    }
    return {};
}

}  // namespace

method_choice choose_method(
    const config::auth_options& options, const connection_facts& facts, const login_name& login
) {
    switch (options.type) {
        case auth_type::trust:
            return trusted(options, login);
        case auth_type::any:
            return {verdict::granted, {}, {}, {}, {}};
        case auth_type::plain:
            return prove(proof::password);
        case auth_type::md5:
            return prove(proof::md5);
        case auth_type::scram_sha_256:
            return prove(proof::scram_sha_256);
        case auth_type::cert: {
            hba_rule rule;
            rule.client_certificate = hba_rule::certificate::of_the_user;
            if (auto refused = check_certificate(options, facts, login, rule)) {
                return std::move(*refused);
            }
            return {verdict::granted, {}, {}, {}, {}};
        }
        case auth_type::hba:
            return by_rule(options, facts, login);
    }
    return {};
}

std::optional<std::string> system_user_name(unsigned id) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return std::nullopt;
    }
    return found->pw_name;
}

}  // namespace weir::daemon::auth
