#include "daemon/auth/hba_rules.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::daemon::auth {

namespace {

bool names_database(
    const hba_token& token, std::string_view database, std::string_view user, bool is_replication
) {
    // Physical replication belongs to no database: only its keyword lets it in.
    if (is_replication) return token.is("replication");
    if (token.is("replication")) return false;
    if (token.is("all")) return true;
    if (token.is("sameuser")) return database == user;
    return token.text == database;
}

bool fits_connection(const hba_rule& rule, const connection_facts& facts) {
    switch (rule.type) {
        case hba_rule::connection::local:
            return facts.is_unix;
        case hba_rule::connection::host:
            return !facts.is_unix;
        case hba_rule::connection::hostssl:
            return !facts.is_unix && facts.is_tls;
        case hba_rule::connection::hostnossl:
            return !facts.is_unix && !facts.is_tls;
    }
    return false;
}

/// Reads one line's fields from left to right and tells the first thing that is wrong.
class rule_reader {
public:
    rule_reader(
        const hba_line& line, const hba_surroundings& world, std::vector<config::problem>& problems
    )
        : line_{line}, world_{world}, problems_{problems} {}

    std::optional<hba_rule> read() {
        here_ = first_token();
        rule_.file = here_.file;
        rule_.line = here_.line;
        const bool is_right = read_type() && read_names("database", rule_.databases) &&
                              read_names("user", rule_.users) && read_address() && read_method() &&
                              read_options() && check_method();
        return is_right ? std::optional{std::move(rule_)} : std::nullopt;
    }

private:
    hba_token first_token() const {
        for (const auto& field : line_) {
            if (!field.empty()) return field.front();
        }
        return {};
    }

    bool fail(const hba_token& at, std::string message) {
        problems_.push_back(
            {at.file.empty() ? rule_.file : at.file,
             at.line == 0 ? rule_.line : at.line,
             std::max(at.column, 1),
             std::move(message),
             config::problem_severity::error}
        );
        return false;
    }

    /// The next field, nullptr at the line's end, which is told as missing `what`.
    const hba_field* take(std::string_view what) {
        if (at_ == line_.size()) {
            fail(here_, "the line ends before the " + std::string{what});
            return nullptr;
        }
        const auto& field = line_[at_++];
        if (!field.empty()) here_ = field.front();
        return &field;
    }
    const hba_token* take_one(std::string_view what) {
        const auto* const field = take(what);
        if (field == nullptr) return nullptr;
        if (field->size() == 1) return &field->front();
        fail(here_, "one " + std::string{what} + " is expected here, not a list");
        return nullptr;
    }

    bool read_type() {
        const auto* const token = take_one("type of connection");
        if (token == nullptr) return false;
        static constexpr std::array types{
            std::pair{"local", hba_rule::connection::local},
            std::pair{"host", hba_rule::connection::host},
            std::pair{"hostssl", hba_rule::connection::hostssl},
            std::pair{"hostnossl", hba_rule::connection::hostnossl},
            // There is never GSSAPI here.
            std::pair{"hostnogssenc", hba_rule::connection::host}};
        for (const auto& [name, type] : types) {
            if (token->text != name) continue;
            rule_.type = type;
            return true;
        }
        if (token->text == "hostgssenc") {
            return fail(*token, "hostgssenc: GSSAPI is not supported; use hostssl");
        }
        if (token->text.starts_with("include")) {
            return fail(*token, token->text + " is not supported; put its lines here");
        }
        return fail(
            *token,
            "\"" + token->text +
                "\" is no type of connection; it is local, host, hostssl or "
                "hostnossl"
        );
    }

    bool read_names(const char* what, hba_field& names) {
        const auto* const field = take(what);
        if (field == nullptr) return false;
        for (const auto& token : *field) {
            if (token.is_quoted) continue;
            const bool is_role =
                token.text.starts_with("+") || token.is("samerole") || token.is("samegroup");
            if (is_role) {
                return fail(
                    token,
                    token.text + ": who is a member of a role only PostgreSQL knows; list the users"
                );
            }
            if (token.text.starts_with("/") && token.text.size() > 1) {
                return fail(
                    token,
                    token.text +
                        ": regular expressions are not supported here; list the names, or "
                        "quote a name that begins so"
                );
            }
        }
        names = *field;
        return true;
    }

    bool read_address() {
        if (rule_.type == hba_rule::connection::local) return true;
        const auto* const token = take_one("address");
        if (token == nullptr) return false;
        if (token->is("all")) {
            rule_.any_address = true;
            return true;
        }
        if (token->is("samehost") || token->is("samenet")) {
            for (const auto& one : world_.interfaces) {
                const auto made = token->is("samenet")
                                      ? make_network(one.address, one.mask)
                                      : make_network(one.address, one.address.is_v6 ? 128 : 32);
                if (made) rule_.networks.push_back(*made);
            }
            return true;
        }
        const auto slash = token->text.find('/');
        const auto base = parse_ip(std::string_view{token->text}.substr(0, slash));
        if (!base) {
            return fail(
                *token,
                "\"" + token->text +
                    "\" is no address; write numbers such as 192.0.2.0/24 or "
                    "2001:db8::/32, or all, samehost, samenet (host names are not looked up)"
            );
        }
        const auto made =
            slash == std::string::npos
                ? read_mask(*base)
                : make_network(*base, bits_of(std::string_view{token->text}.substr(slash + 1)));
        if (made) {
            rule_.networks.push_back(*made);
            return true;
        }
        if (slash == std::string::npos) return false;  // told
        return fail(
            *token,
            "\"" + token->text + "\": the number behind / must be 0 to " +
                std::to_string(base->size() * 8)
        );
    }

    static int bits_of(std::string_view text) {
        if (text.empty() || text.size() > 3 ||
            text.find_first_not_of("0123456789") != std::string_view::npos) {
            return -1;
        }
        return std::stoi(std::string{text});
    }

    std::optional<network> read_mask(const ip_address& base) {
        const auto* const token = take_one("mask of the address");
        if (token == nullptr) return std::nullopt;
        const auto mask = parse_ip(token->text);
        if (const auto made = mask ? make_network(base, *mask) : std::nullopt) return made;
        fail(
            *token,
            "\"" + token->text +
                "\" is no mask for this address; write e.g. 192.0.2.0/24, or "
                "192.0.2.0 255.255.255.0"
        );
        return std::nullopt;
    }

    bool read_method() {
        const auto* const token = take_one("method");
        if (token == nullptr) return false;
        static constexpr std::array methods{
            std::pair{"trust", hba_method::trust},
            std::pair{"reject", hba_method::reject},
            std::pair{"password", hba_method::password},
            std::pair{"plain", hba_method::password},  // PgBouncer's word
            std::pair{"md5", hba_method::md5},
            std::pair{"scram-sha-256", hba_method::scram_sha_256},
            std::pair{"cert", hba_method::cert},
            std::pair{"peer", hba_method::peer}};
        for (const auto& [name, method] : methods) {
            if (token->text != name) continue;
            rule_.method = method;
            return true;
        }
        // PostgreSQL takes it for peer on such a line, too.
        if (token->text == "ident" && rule_.type == hba_rule::connection::local) {
            rule_.method = hba_method::peer;
            return true;
        }
        static constexpr std::array not_ours{
            "ldap", "pam", "gss", "sspi", "radius", "bsd", "ident", "krb5", "oauth"};
        if (std::find(not_ours.begin(), not_ours.end(), token->text) != not_ours.end()) {
            return fail(
                *token,
                "method " + token->text +
                    " is not supported; use scram-sha-256, md5, password, "
                    "cert, peer, trust or reject"
            );
        }
        return fail(
            *token,
            "\"" + token->text +
                "\" is no method; it is scram-sha-256, md5, password, cert, peer, "
                "trust or reject"
        );
    }

    bool read_options() {
        while (at_ < line_.size()) {
            const auto* const token = take_one("option");
            if (token == nullptr || !read_option(*token)) return false;
        }
        return true;
    }

    bool read_option(const hba_token& token) {
        const auto equals = token.text.find('=');
        const auto name = token.text.substr(0, equals);
        const auto value = equals == std::string::npos ? "" : token.text.substr(equals + 1);
        const bool uses_names = rule_.method == hba_method::cert ||
                                rule_.method == hba_method::peer ||
                                rule_.type == hba_rule::connection::hostssl;
        if (name == "map" && uses_names && !value.empty()) {
            rule_.map = value;
            return true;
        }
        if (name == "clientcert" && rule_.type == hba_rule::connection::hostssl) {
            if (value == "verify-ca" || value == "verify-full") {
                rule_.client_certificate = value == "verify-ca"
                                               ? hba_rule::certificate::verified
                                               : hba_rule::certificate::of_the_user;
                return true;
            }
            return fail(token, "clientcert is verify-ca or verify-full");
        }
        if (name == "clientname" && rule_.type == hba_rule::connection::hostssl &&
            (value == "CN" || value == "DN")) {
            rule_.by_distinguished_name = value == "DN";
            return true;
        }
        return fail(
            token,
            "option \"" + token.text +
                "\" is not known here; there are map= for cert and peer, "
                "and clientcert= and clientname= for hostssl"
        );
    }

    bool check_method() {
        const bool is_local = rule_.type == hba_rule::connection::local;
        if (rule_.method == hba_method::peer && !is_local) {
            return fail(here_, "peer is for local connections only: it asks who runs the client");
        }
        if (rule_.method == hba_method::cert) {
            if (rule_.type != hba_rule::connection::hostssl) {
                return fail(here_, "cert is for hostssl only: there is no certificate without TLS");
            }
            rule_.client_certificate = hba_rule::certificate::of_the_user;
        }
        return true;
    }

    const hba_line& line_;
    const hba_surroundings& world_;
    std::vector<config::problem>& problems_;
    std::size_t at_ = 0;
    hba_token here_;
    hba_rule rule_;
};

}  // namespace

std::string_view to_string(hba_method method) {
    switch (method) {
        case hba_method::trust:
            return "trust";
        case hba_method::reject:
            return "reject";
        case hba_method::password:
            return "password";
        case hba_method::md5:
            return "md5";
        case hba_method::scram_sha_256:
            return "scram-sha-256";
        case hba_method::cert:
            return "cert";
        case hba_method::peer:
            return "peer";
    }
    return "";
}

const hba_rule* hba_rules::match(
    const connection_facts& facts,
    std::string_view database,
    std::string_view user,
    bool is_replication
) const {
    const auto address = facts.is_unix ? std::nullopt : parse_ip(facts.address);
    const auto fits = [&](const hba_rule& rule) {
        if (!fits_connection(rule, facts)) return false;
        if (!facts.is_unix && !rule.any_address) {
            const bool is_inside =
                address &&
                std::any_of(rule.networks.begin(), rule.networks.end(), [&](const network& one) {
                    return one.contains(*address);
                });
            if (!is_inside) return false;
        }
        return std::any_of(
                   rule.databases.begin(),
                   rule.databases.end(),
                   [&](const hba_token& one) {
                       return names_database(one, database, user, is_replication);
                   }
               ) &&
               std::any_of(rule.users.begin(), rule.users.end(), [&](const hba_token& one) {
                   return one.is("all") || one.text == user;
               });
    };
    const auto found = std::find_if(rules_.begin(), rules_.end(), fits);
    return found == rules_.end() ? nullptr : &*found;
}

hba_rules parse_hba(
    std::string_view text,
    const std::string& file_name,
    const hba_surroundings& world,
    std::vector<config::problem>& problems
) {
    std::vector<hba_rule> rules;
    for (const auto& line : split_hba(text, file_name, world.include, problems)) {
        if (auto rule = rule_reader{line, world, problems}.read())
            rules.push_back(std::move(*rule));
    }
    return hba_rules{std::move(rules)};
}

}  // namespace weir::daemon::auth
