// Puts the values of a file into a document, whatever language the file is in: references resolved,
// type and bounds checked against the row, what this version cannot do yet told. Thread rule: one
// thread, for the time of one load.
#pragma once

#include "daemon/config/document.hpp"
#include "daemon/config/report.hpp"
#include "daemon/config/resolve_text.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weir::daemon::config {

/// A text of the file and where it stands.
struct placed_text {
    std::string text;
    place at;
};

class value_keeper {
public:
    value_keeper(report& to, const environment_lookup& environment, document& out)
        : to_(to), environment_(environment), out_(out) {}

    /// `key` is the concrete key in the document; `label` is what messages begin with: the key, or
    /// the name that the file has for it.
    void scalar(
        const option& row,
        const std::string& key,
        const std::string& label,
        const placed_text& given
    );
    /// For a text_list. `at`: of the list as a whole.
    void list(
        const option& row,
        const std::string& key,
        const std::string& label,
        place at,
        const std::vector<placed_text>& given
    );

private:
    std::optional<std::string> resolved(
        const option& row, const std::string& label, const placed_text& given, bool& is_reference
    );
    void keep(
        const option& row, const std::string& key, const std::string& label, given_value given
    );

    report& to_;
    const environment_lookup& environment_;
    document& out_;
};

}  // namespace weir::daemon::config
