// What is known about the statements that a client's portals will run: from Bind to Execute, or,
// for portals with a name, to the end of the transaction. One thread.
#pragma once

#include "daemon/session/statement_facts.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace weir::daemon {

class open_portals {
public:
    /// What an Execute runs.
    struct execution {
        text_facts facts;          ///< without a statement when the portal is not known
        bool may_be_rest = false;  ///< it may fetch the rest of what was fetched from before
    };

    void bind(std::string_view name, text_facts facts) {
        if (name.empty()) {
            unnamed_ = std::move(facts);
        } else {
            named_[std::string{name}] = std::move(facts);
        }
    }
    /// Execute. The unnamed portal's facts are given once.
    [[nodiscard]] execution execute(std::string_view name) {
        if (name.empty()) {
            if (!unnamed_) return {{}, true};
            execution one{std::move(*unnamed_), false};
            unnamed_.reset();
            return one;
        }
        const auto found = named_.find(std::string{name});
        if (found == named_.end()) return {};
        // A named portal is made to be fetched from more than once.
        return {found->second, true};
    }
    void close(std::string_view name) {
        if (!name.empty()) named_.erase(std::string{name});
    }
    void on_transaction_end() { named_.clear(); }

private:
    std::optional<text_facts> unnamed_;
    std::unordered_map<std::string, text_facts> named_;
};

}  // namespace weir::daemon
