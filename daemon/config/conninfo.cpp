#include "daemon/config/conninfo.hpp"

#include "daemon/config/nearest.hpp"
#include "daemon/config/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <libpq-fe.h>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace weir::daemon::config {
namespace {

constexpr std::string_view default_host = "/var/run/postgresql";

struct conninfo_free {
    void operator()(PQconninfoOption* list) const { PQconninfoFree(list); }
};
using conninfo_list = std::unique_ptr<PQconninfoOption, conninfo_free>;

/// A keyword of libpq that is not simply taken over: the values that change nothing, and what to do
/// instead.
struct restricted_keyword {
    std::string_view keyword;
    std::string_view harmless;  // "a|b"
    std::string_view advice;
};
constexpr std::array restricted = {
    restricted_keyword{
        "gssencmode", "disable|prefer", "GSSAPI encryption is not supported; use disable"},
    restricted_keyword{"connect_timeout", "", "remove it and use pool.connect_timeout"},
    restricted_keyword{"service", "", "write host, port, dbname and user in full"},
    restricted_keyword{"passfile", "", "use password=file:PATH or databases.NAME.password"},
    restricted_keyword{
        "application_name", "", "remove it; servers are told the application_name of their client"},
    restricted_keyword{
        "fallback_application_name",
        "",
        "remove it; servers are told the application_name of their client"},
    restricted_keyword{
        "client_encoding", "", "remove it; servers are told the client_encoding of their client"},
};

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t comma = std::min(text.find(','), text.size());
        parts.emplace_back(text.substr(0, comma));
        if (comma == text.size()) return parts;
        text.remove_prefix(comma + 1);
    }
}

std::string_view nearest_keyword(std::string_view word) {
    static const conninfo_list known(PQconndefaults());
    std::vector<std::string_view> keywords;
    for (const PQconninfoOption* entry = known.get(); entry != nullptr && entry->keyword != nullptr;
         ++entry) {
        keywords.emplace_back(entry->keyword);
    }
    return nearest(word, keywords);
}

/// libpq quotes the piece it stumbled over, and any piece may be a part of a password: a password
/// with a blank and no quotes falls apart into words, too. A word is shown only where a keyword
/// belongs, in a text that holds nothing secret.
std::string syntax_error(std::string_view text, std::string_view message, bool is_secret) {
    const bool may_hold_secret = is_secret || text.find("pass") != std::string_view::npos ||
                                 text.find('@') != std::string_view::npos;
    while (message.ends_with('\n') || message.ends_with('.'))
        message.remove_suffix(1);
    for (const std::string_view unknown :
         {"invalid connection option \"", "invalid URI query parameter: \""}) {
        if (!message.starts_with(unknown) || !message.ends_with('"')) continue;
        const auto word = message.substr(unknown.size(), message.size() - unknown.size() - 1);
        const auto meant = nearest_keyword(word);
        const std::string hint =
            meant.empty() ? std::string() : fmt::format("; did you mean {}?", meant);
        if (may_hold_secret) return fmt::format("unknown keyword in the connection string{}", hint);
        return fmt::format("unknown keyword \"{}\" in the connection string{}", word, hint);
    }
    if (message.starts_with("missing \"=\" after")) {
        return "not a connection string: there is a word without \"=\"; a value with a blank "
               "stands "
               "in single quotes";
    }
    message = message.substr(0, message.find('"'));
    while (message.ends_with(' ') || message.ends_with(':'))
        message.remove_suffix(1);
    return fmt::format("not a connection string: {}", message);
}

constexpr std::array attrs_words = {
    "any", "read-write", "read-only", "primary", "standby", "prefer-standby"};
constexpr std::array binding_words = {"disable", "prefer", "require"};
constexpr std::array order_words = {"disable", "random", "round-robin"};

/// By the enumerators' order.
template<class Enum, std::size_t Count>
void take_word(
    const char* keyword,
    const std::array<const char*, Count>& known,
    std::string_view given,
    Enum& target,
    std::vector<std::string>& errors
) {
    for (std::size_t i = 0; i < Count; ++i) {
        if (given == known[i]) {
            target = static_cast<Enum>(i);
            return;
        }
    }
    std::string all;
    for (const char* const word : known)
        all += (all.empty() ? "" : ", ") + std::string(word);
    errors.push_back(fmt::format("{}: not one of {}", keyword, all));
}

bool is_uri(std::string_view text) {
    return text.starts_with("postgres://") || text.starts_with("postgresql://");
}

/// The end of a keyword/value pair's value that begins at `at`: as libpq reads it.
std::size_t end_of_value(std::string_view text, std::size_t at) {
    const bool is_quoted = at < text.size() && text[at] == '\'';
    for (at += is_quoted ? 1 : 0; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (is_quoted && text[at] == '\'') {
            return at + 1;
        } else if (!is_quoted && std::string_view(" \t\n\r\f\v").find(text[at]) != std::string_view::npos) {
            return at;
        }
    }
    return text.size();
}

/// libpq knows load_balance_hosts since version 16 only, sslnegotiation since 17: such a keyword is
/// taken out of the text before an older one sees it. Inside values nothing is touched.
std::optional<std::string> take_out(std::string& text, std::string_view keyword) {
    constexpr const char* blanks = " \t\n\r\f\v";
    if (is_uri(text)) {
        const std::size_t query = text.find('?');
        for (std::size_t at = query; at < text.size(); at = text.find('&', at + 1)) {
            const std::size_t end = std::min(text.find('&', at + 1), text.size());
            const std::string_view pair = std::string_view(text).substr(at + 1, end - at - 1);
            if (!pair.starts_with(keyword) || pair.substr(keyword.size(), 1) != "=") continue;
            std::string value(pair.substr(keyword.size() + 1));
            const bool is_last = end == text.size();
            text.erase(is_last ? at : at + 1, is_last ? end - at : end - at);
            return value;
        }
        return std::nullopt;
    }
    for (std::size_t at = text.find_first_not_of(blanks); at < text.size();) {
        const std::size_t equals = text.find('=', at);
        if (equals == std::string::npos) break;
        std::size_t name_end = equals;
        while (name_end > at &&
               std::string_view(blanks).find(text[name_end - 1]) != std::string_view::npos)
            --name_end;
        const std::size_t begin = std::min(text.find_first_not_of(blanks, equals + 1), text.size());
        const std::size_t end = end_of_value(text, begin);
        if (std::string_view(text).substr(at, name_end - at) == keyword) {
            std::string value = text.substr(begin, end - begin);
            std::erase(value, '\'');
            text.erase(at, end - at);
            return value;
        }
        at = text.find_first_not_of(blanks, end);
    }
    return std::nullopt;
}

void refuse(
    const std::string& keyword, const std::string& given, std::vector<std::string>& errors
) {
    const auto* rule =
        std::ranges::find(restricted, std::string_view(keyword), &restricted_keyword::keyword);
    if (rule == restricted.end()) {
        errors.push_back(fmt::format("the keyword {} is not used by pgweir; remove it", keyword));
        return;
    }
    if (std::ranges::count(words(rule->harmless), std::string_view(given)) > 0) return;
    errors.push_back(fmt::format("{}: {}", keyword, rule->advice));
}

std::uint16_t parse_port(const std::string& text, std::vector<std::string>& errors) {
    constexpr std::uint16_t standard = 5432;
    if (text.empty()) return standard;
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
        errors.push_back("port: not a number from 1 to 65535");
        return standard;
    }
    return port;
}

void fill_hosts(const std::map<std::string, std::string>& given, parsed_conninfo& result) {
    const auto text = [&given](const char* keyword) {
        const auto found = given.find(keyword);
        return found == given.end() ? std::string() : found->second;
    };
    const auto hosts = split_list(text("host"));
    const auto addresses = split_list(text("hostaddr"));
    const auto ports = split_list(text("port"));
    const bool by_address = !text("hostaddr").empty();
    const std::size_t count = by_address ? addresses.size() : hosts.size();
    if (by_address && !text("host").empty() && hosts.size() != addresses.size()) {
        result.errors.push_back(fmt::format(
            "{} hosts but {} hostaddrs; give as many of one as of the other",
            hosts.size(),
            addresses.size()
        ));
        return;
    }
    if (ports.size() != 1 && ports.size() != count) {
        result.errors.push_back(fmt::format(
            "{} ports for {} hosts; give one port, or one for each host", ports.size(), count
        ));
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        upstream_host entry;
        if (i < hosts.size()) entry.host = hosts[i];
        if (by_address) entry.hostaddr = addresses[i];
        if (entry.host.empty() && entry.hostaddr.empty()) entry.host = default_host;
        if (entry.host.starts_with('@') && entry.hostaddr.empty()) {
            result.errors.emplace_back("host: abstract unix sockets (\"@...\") are not supported");
        }
        entry.port = parse_port(ports.size() == 1 ? ports[0] : ports[i], result.errors);
        result.upstream.hosts.push_back(std::move(entry));
    }
}

}  // namespace

parsed_conninfo parse_conninfo(
    const std::string& text,
    const std::function<resolved_text(std::string_view)>& resolve,
    bool is_secret
) {
    parsed_conninfo result;
    if (text.find('\0') != std::string::npos) {
        result.errors.emplace_back("the connection string holds a NUL byte");
        return result;
    }
    std::string known = text;
    const auto order = take_out(known, "load_balance_hosts");
    result.tls.negotiation = take_out(known, "sslnegotiation").value_or("");
    char* raw_message = nullptr;
    const conninfo_list list(PQconninfoParse(known.c_str(), &raw_message));
    const std::unique_ptr<char, decltype(&PQfreemem)> message(raw_message, PQfreemem);
    if (!list) {
        result.errors.push_back(
            syntax_error(text, message ? message.get() : "out of memory", is_secret)
        );
        return result;
    }
    if (order) {
        take_word(
            "load_balance_hosts",
            order_words,
            *order,
            result.upstream.load_balance_hosts,
            result.errors
        );
    }
    std::map<std::string, std::string> hosts;
    const std::map<std::string, std::string*> plain = {
        {"dbname", &result.upstream.dbname},
        {"user", &result.user},
        {"password", &result.password},
        {"options", &result.upstream.options},
        {"sslmode", &result.tls.mode},
        {"sslcert", &result.tls.cert_file},
        {"sslkey", &result.tls.key_file},
        {"sslrootcert", &result.tls.ca_file}};
    for (const PQconninfoOption* entry = list.get(); entry->keyword != nullptr; ++entry) {
        if (entry->val == nullptr || *entry->val == '\0') continue;
        const std::string keyword = entry->keyword;
        resolved_text given = resolve(entry->val);
        if (!given.error.empty()) {
            result.errors.push_back(fmt::format("{}: {}", keyword, given.error));
        } else if (const auto place = plain.find(keyword); place != plain.end()) {
            *place->second = std::move(given.text);
        } else if (keyword == "host" || keyword == "hostaddr" || keyword == "port") {
            hosts[keyword] = std::move(given.text);
        } else if (keyword == "target_session_attrs") {
            take_word(
                "target_session_attrs",
                attrs_words,
                given.text,
                result.upstream.target_session_attrs,
                result.errors
            );
        } else if (keyword == "channel_binding") {
            take_word(
                "channel_binding",
                binding_words,
                given.text,
                result.upstream.channel_binding,
                result.errors
            );
        } else {
            refuse(keyword, given.text, result.errors);
        }
    }
    fill_hosts(hosts, result);
    return result;
}

bool is_connection_keyword(std::string_view word) {
    const conninfo_list known(PQconndefaults());
    for (const PQconninfoOption* entry = known.get(); entry != nullptr && entry->keyword != nullptr;
         ++entry) {
        if (word == entry->keyword) return true;
    }
    return false;
}

std::string show_conninfo(const parsed_conninfo& parsed) {
    std::string hosts;
    std::string addresses;
    std::string ports;
    bool by_address = false;
    for (const upstream_host& entry : parsed.upstream.hosts) {
        const char* comma = ports.empty() ? "" : ",";
        hosts += comma + entry.host;
        addresses += comma + entry.hostaddr;
        ports += comma + std::to_string(entry.port);
        by_address = by_address || !entry.hostaddr.empty();
    }
    std::string text = fmt::format("host={}", hosts);
    if (by_address) text += fmt::format(" hostaddr={}", addresses);
    text += fmt::format(" port={}", ports);
    const upstream_options& up = parsed.upstream;
    if (!up.dbname.empty()) text += fmt::format(" dbname={}", up.dbname);
    if (!parsed.user.empty()) text += fmt::format(" user={}", parsed.user);
    if (!parsed.password.empty()) text += " password=********";
    if (up.target_session_attrs != session_attrs::any) {
        text += fmt::format(
            " target_session_attrs={}",
            attrs_words[static_cast<std::size_t>(up.target_session_attrs)]
        );
    }
    if (up.channel_binding != binding_choice::prefer) {
        text += fmt::format(
            " channel_binding={}", binding_words[static_cast<std::size_t>(up.channel_binding)]
        );
    }
    if (!up.options.empty()) text += fmt::format(" options='{}'", up.options);
    const conninfo_tls& tls = parsed.tls;
    const std::pair<const char*, const std::string*> tls_keywords[] = {
        {"sslmode", &tls.mode},
        {"sslcert", &tls.cert_file},
        {"sslkey", &tls.key_file},
        {"sslrootcert", &tls.ca_file},
        {"sslnegotiation", &tls.negotiation}};
    for (const auto& [keyword, value] : tls_keywords) {
        if (!value->empty()) text += fmt::format(" {}={}", keyword, *value);
    }
    return text;
}

}  // namespace weir::daemon::config
