// What is known about the statements that a client's portals will run: from Bind to Execute, or,
// for portals with a name, to the end of the transaction. One thread.
#pragma once

#include "daemon/session/statement_facts.hpp"

#include <cstdint>
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
        /// What that is, if it is known.
        decltype(text_facts::statement) rest;
    };

    /// `untold`: the number of its statement, if the client was not told what that gives; else 0.
    void bind(std::string_view name, text_facts facts, std::uint32_t untold = 0) {
        if (name.empty()) {
            unnamed_ = std::move(facts);
            unnamed_ran_.reset();
            unnamed_untold_ = untold;
            unnamed_has_more_ = true;
        } else {
            named_[std::string{name}] = {std::move(facts), untold};
        }
    }
    [[nodiscard]] std::uint32_t untold(std::string_view name) const {
        if (name.empty()) return unnamed_untold_;
        const auto found = named_.find(std::string{name});
        return found == named_.end() ? 0 : found->second.untold;
    }
    /// Execute, of all rows or of some. The unnamed portal's facts are given once.
    [[nodiscard]] execution execute(std::string_view name, bool of_all = true) {
        if (name.empty()) {
            if (of_all) unnamed_has_more_ = false;
            if (!unnamed_) return {{}, true, unnamed_ran_};
            unnamed_ran_ = unnamed_->statement;
            execution one{std::move(*unnamed_), false, nullptr};
            unnamed_.reset();
            return one;
        }
        const auto found = named_.find(std::string{name});
        if (found == named_.end()) return {};
        // A named portal is made to be fetched from more than once.
        return {found->second.facts, true, found->second.facts.statement};
    }
    /// The unnamed portal of this transaction may give rows to another Execute.
    [[nodiscard]] bool unnamed_has_more() const noexcept { return unnamed_has_more_; }
    void close(std::string_view name) {
        if (!name.empty()) named_.erase(std::string{name});
    }
    void on_transaction_end() {
        named_.clear();
        unnamed_ran_.reset();
        unnamed_has_more_ = false;
    }

private:
    struct portal {
        text_facts facts;
        std::uint32_t untold = 0;
    };

    std::optional<text_facts> unnamed_;
    decltype(text_facts::statement) unnamed_ran_;  ///< what its first Execute was given
    std::uint32_t unnamed_untold_ = 0;
    bool unnamed_has_more_ = false;
    std::unordered_map<std::string, portal> named_;
};

}  // namespace weir::daemon
