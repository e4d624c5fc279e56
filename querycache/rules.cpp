#include "querycache/rules.hpp"

#include "querycache/catalog.hpp"
#include "querycache/key.hpp"

#include <re2/re2.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_set>

namespace weir::querycache {

namespace {

constexpr std::size_t longest_pattern = 16U << 10;
/// RE2 compiles a pattern to a program; this bounds what one may cost.
constexpr std::int64_t pattern_memory = 4 << 20;

std::uint64_t chain(std::uint64_t before, std::uint64_t next) {
    const std::uint64_t both[2] = {before, next};
    return XXH3_64bits(both, sizeof both);
}

void add_text(std::string& out, std::string_view text) {
    const std::uint64_t size = text.size();
    out.append(reinterpret_cast<const char*>(&size), sizeof size);
    out.append(text);
}

void add_list(std::string& out, const std::vector<std::string>& list) {
    add_text(out, std::to_string(list.size()));
    for (const auto& item : list)
        add_text(out, item);
}

std::uint64_t content_of(const rule& r) {
    std::string bytes;
    add_text(bytes, r.name);
    add_list(bytes, r.databases);
    add_list(bytes, r.users);
    add_list(bytes, r.applications);
    add_list(bytes, r.tables);
    add_text(bytes, r.pattern);
    add_list(bytes, r.fingerprint);
    add_list(bytes, r.settings);
    add_list(bytes, r.functions);
    bytes.push_back(static_cast<char>(r.share));
    bytes.push_back(static_cast<char>(r.cache_empty));
    return XXH3_64bits(bytes.data(), bytes.size());
}

std::optional<std::uint64_t> fingerprint_of(std::string_view hex) {
    constexpr std::size_t digits = 16;
    std::uint64_t value = 0;
    const auto* end = hex.data() + hex.size();
    const auto [at, error] = std::from_chars(hex.data(), end, value, 16);
    if (hex.size() != digits || error != std::errc{} || at != end) return std::nullopt;
    return value;
}

bool admits(const std::vector<std::string>& selector, std::string_view value) {
    return selector.empty() || std::find(selector.begin(), selector.end(), value) != selector.end();
}

/// Collects what is wrong with one list of rules.
class compiler {
public:
    std::vector<compiled_rule> rules;
    std::vector<rule_error> errors;

    void add(rule source) {
        index_ = rules.size();
        compiled_rule out;
        check_name(source.name);
        if (source.ttl.count() <= 0) {
            complain("ttl", 0, "ttl must be longer than zero", "write for example ttl: 30s");
        }
        check_list("tables", source.tables);
        check_list("functions", source.functions);
        for (std::size_t i = 0; i < source.fingerprint.size(); ++i) {
            if (const auto value = fingerprint_of(source.fingerprint[i])) {
                out.fingerprints.push_back(*value);
            } else {
                complain(
                    "fingerprint",
                    i,
                    "not a fingerprint: " + source.fingerprint[i],
                    "copy the 16 hexadecimal digits that EXPLAIN CACHE prints"
                );
            }
        }
        if (!source.pattern.empty()) out.pattern = compile_pattern(source.pattern);
        out.content = content_of(source);
        for (const auto& text : source.warm)
            out.warm.emplace_back(bare_text(text));
        out.source = std::move(source);
        rules.push_back(std::move(out));
    }

private:
    void complain(std::string field, std::size_t item, std::string what, std::string remedy) {
        errors.push_back({index_, std::move(field), item, std::move(what), std::move(remedy)});
    }

    void check_name(const std::string& name) {
        if (name.empty()) {
            complain("name", 0, "a rule needs a name", "give it a name that SHOW CACHE can print");
        } else if (!names_.insert(name).second) {
            complain("name", 0, "two rules are called " + name, "rename one of them");
        }
    }

    void check_list(const char* field, const std::vector<std::string>& names) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            const auto& n = names[i];
            const auto dot = n.find('.');
            const bool whole =
                !n.empty() && dot != 0 && n.back() != '.' &&
                (dot == std::string::npos || n.find('.', dot + 1) == std::string::npos);
            if (!whole) complain(field, i, "not a name: " + n, "write name or schema.name");
        }
    }

    std::shared_ptr<const re2::RE2> compile_pattern(const std::string& text) {
        if (text.size() > longest_pattern) {
            complain("pattern", 0, "the pattern is too long", "use tables or fingerprint instead");
            return nullptr;
        }
        re2::RE2::Options options;
        // The normalised text has its words in lower case.
        options.set_case_sensitive(false);
        options.set_dot_nl(true);
        options.set_log_errors(false);
        options.set_max_mem(pattern_memory);
        auto compiled = std::make_shared<const re2::RE2>(text, options);
        if (compiled->ok()) return compiled;
        complain(
            "pattern",
            0,
            "bad regular expression: " + compiled->error(),
            "the syntax is RE2's: no look-around, no back-references"
        );
        return nullptr;
    }

    std::size_t index_ = 0;
    std::unordered_set<std::string> names_;
};

}  // namespace

sql::relation_name parse_relation_name(std::string_view listed) {
    const auto dot = listed.find('.');
    if (dot == std::string_view::npos) return {{}, std::string(listed)};
    return {std::string(listed.substr(0, dot)), std::string(listed.substr(dot + 1))};
}

bool is_listed(std::string_view listed, std::string_view schema, std::string_view name) {
    const auto dot = listed.find('.');
    if (dot == std::string_view::npos) return listed == name;
    return listed.substr(0, dot) == schema && listed.substr(dot + 1) == name;
}

bool compiled_rule::keeps_warm(std::string_view text) const {
    return !warm.empty() && std::find(warm.begin(), warm.end(), bare_text(text)) != warm.end();
}

const session_rule* session_rules::find(std::uint64_t lineage) const {
    for (const auto& r : rules) {
        if (r.lineage == lineage) return &r;
    }
    return nullptr;
}

std::variant<std::shared_ptr<const rule_set>, std::vector<rule_error>> rule_set::compile(
    std::vector<rule> rules, std::vector<function_effect> effects, const rule_set* before
) {
    compiler c;
    for (auto& r : rules)
        c.add(std::move(r));
    if (!c.errors.empty()) return std::move(c.errors);
    auto set = std::make_shared<rule_set>();
    set->rules_ = std::move(c.rules);
    set->effects_ = std::move(effects);
    if (before != nullptr) {
        set->former_ = before->former_;
        for (const auto& old : before->rules_)
            set->former_[old.source.name] = old.counters;
    }
    for (auto& r : set->rules_) {
        auto known = set->former_.extract(r.source.name);
        r.counters =
            known ? std::move(known.mapped()) : std::make_shared<rule_counters>(r.source.name);
        r.counters->set_grace(std::max(r.source.stale_while_revalidate, r.source.stale_if_error));
    }
    return std::shared_ptr<const rule_set>(std::move(set));
}

std::shared_ptr<const rule_set> rule_set::none() {
    return std::make_shared<const rule_set>();
}

const function_effect* rule_set::effect_of(std::string_view schema, std::string_view name) const {
    for (const auto& effect : effects_) {
        // Declared without a schema, it speaks for every function of the name; called without one,
        // it may be any of the name, and a declaration for one schema does not cover that.
        if (is_listed(effect.name, schema, name)) return &effect;
    }
    return nullptr;
}

session_rules rule_set::for_session(
    std::string_view database, std::string_view user, std::string_view application
) const {
    session_rules out;
    std::uint64_t lineage = 0;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const auto& r = rules_[i].source;
        if (!admits(r.databases, database) || !admits(r.users, user) ||
            !admits(r.applications, application)) {
            continue;
        }
        lineage = chain(lineage, rules_[i].content);
        out.rules.push_back({static_cast<std::uint32_t>(i), lineage});
        (r.share == sharing::database ? out.any_shared : out.any_private) = true;
    }
    out.digest = lineage;
    return out;
}

const session_rule* rule_set::match(
    const session_rules& session,
    const sql::statement& facts,
    const std::vector<const relation_row*>& relations
) const {
    const auto names = [&](const std::vector<std::string>& tables) {
        if (facts.reads.empty()) return false;
        for (std::size_t i = 0; i < facts.reads.size(); ++i) {
            const auto& written = facts.reads[i];
            const auto* relation = i < relations.size() ? relations[i] : nullptr;
            const bool listed =
                std::any_of(tables.begin(), tables.end(), [&](const std::string& table) {
                    if (relation == nullptr) return is_listed(table, written.schema, written.name);
                    return is_listed(table, relation->schema, relation->name);
                });
            if (!listed) return false;
        }
        return true;
    };
    for (const auto& candidate : session.rules) {
        const auto& r = rules_[candidate.index];
        if (!r.source.tables.empty() && !names(r.source.tables)) continue;
        if (!r.fingerprints.empty() &&
            std::find(r.fingerprints.begin(), r.fingerprints.end(), facts.fingerprint) ==
                r.fingerprints.end()) {
            continue;
        }
        if (r.pattern && !re2::RE2::PartialMatch(facts.normalised, *r.pattern)) continue;
        return &candidate;
    }
    return nullptr;
}

}  // namespace weir::querycache
