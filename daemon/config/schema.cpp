#include "daemon/config/schema.hpp"

#include "daemon/config/conninfo.hpp"
#include "daemon/config/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

namespace weir::daemon::config {
namespace {

std::shared_ptr<schema_node> child_of(schema_node& parent, std::string_view key, std::string path) {
    for (const auto& [name, node] : parent.children) {
        if (name == key) return node;
    }
    auto node = std::make_shared<schema_node>();
    node->path = std::move(path);
    parent.children.emplace_back(key, node);
    return node;
}

std::shared_ptr<schema_node> each_of(schema_node& parent, std::string path) {
    if (!parent.each) {
        parent.each = std::make_shared<schema_node>();
        parent.each->path = std::move(path);
    }
    return parent.each;
}

void plant(const std::shared_ptr<schema_node>& root, const option& row) {
    auto node = root;
    std::string_view rest = row.path;
    while (!rest.empty()) {
        const std::size_t dot = std::min(rest.find('.'), rest.size());
        std::string_view step = rest.substr(0, dot);
        rest.remove_prefix(std::min(dot + 1, rest.size()));
        const std::string path =
            node->path.empty() ? std::string(step) : fmt::format("{}.{}", node->path, step);
        if (step == "*") {
            node = each_of(*node, path);
        } else if (step.ends_with("[]")) {
            step.remove_suffix(2);
            node = child_of(*node, step, path.substr(0, path.size() - 2));
            node = each_of(*node, path);
        } else {
            node = child_of(*node, step, path);
        }
    }
    node->row = &row;
}

std::shared_ptr<schema_node> build() {
    auto root = std::make_shared<schema_node>();
    for (const option& row : options())
        plant(root, row);
    // A pool section is the very node of the defaults, so that an option added there is known
    // everywhere.
    const schema_node* pool = root->find("pool");
    if (pool == nullptr) throw std::logic_error("the table of options has no pool section");
    for (const std::string_view holder : {"databases", "users"}) {
        for (auto& [name, node] : root->find(holder)->each->children) {
            if (node->row != nullptr && node->row->type == option_type::pool_section)
                node->children = pool->children;
        }
    }
    return root;
}

}  // namespace

const schema_node* schema_node::find(std::string_view key) const {
    for (const auto& [name, node] : children) {
        if (name == key) return node.get();
    }
    return nullptr;
}

std::vector<std::string_view> schema_node::keys() const {
    std::vector<std::string_view> result;
    result.reserve(children.size());
    for (const auto& [name, node] : children)
        result.push_back(name);
    return result;
}

const schema_node& schema() {
    static const std::shared_ptr<schema_node> root = build();
    return *root;
}

namespace {

/// PgBouncer runs section and option together: pool_size is size in the section pool, and pool.size
/// in the section around it.
std::string spelt_apart(const schema_node& section, std::string_view key) {
    const auto dot = section.path.rfind('.');
    const auto own = section.path.substr(dot == std::string::npos ? 0 : dot + 1);
    if (key.starts_with(own + "_")) {
        const auto rest = key.substr(own.size() + 1);
        if (section.find(rest) != nullptr) return std::string(rest);
    }
    for (const auto& [name, child] : section.children) {
        if (!key.starts_with(std::string(name) + "_")) continue;
        const auto rest = key.substr(name.size() + 1);
        if (child->find(rest) != nullptr) return fmt::format("{}.{}", name, rest);
    }
    return {};
}

}  // namespace

std::string hint_for_unknown(const schema_node& section, std::string_view key) {
    for (const option& row : options()) {
        if (!row.pgbouncer.empty() && row.pgbouncer == key) {
            return fmt::format("; PgBouncer's {} is \"{}\" here", key, row.path);
        }
    }
    if (section.path == "databases.*" && is_connection_keyword(key))
        return fmt::format("; it belongs into upstream: \"{}=...\"", key);
    if (const auto meant = spelt_apart(section, key); !meant.empty())
        return fmt::format("; did you mean \"{}\"?", meant);
    if (const auto meant = nearest(key, section.keys()); !meant.empty())
        return fmt::format("; did you mean \"{}\"?", meant);
    std::vector<std::string_view> elsewhere;
    for (const option& row : options()) {
        if (row.path == key ||
            (row.path.ends_with(key) && row.path[row.path.size() - key.size() - 1] == '.')) {
            elsewhere.push_back(row.path);
        }
    }
    constexpr std::size_t enough = 3;
    if (!elsewhere.empty() && elsewhere.size() <= enough) {
        return fmt::format("; it exists as \"{}\"", fmt::join(elsewhere, "\", \""));
    }
    return fmt::format("; known here: {}", fmt::join(section.keys(), ", "));
}

}  // namespace weir::daemon::config
