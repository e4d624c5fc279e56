// How the applications of one pool ask for currval() and lastval(), by application_name: learnt
// from their first such statement, and never forgotten, as they will ask again. Not about single
// clients. Thread-safe; of() takes no lock and, as long as nobody asks, reads one pointer.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace weir::pool {

/// Order matters: later needs more.
enum class sequence_habit : std::uint8_t {
    none,
    in_transaction,  ///< in the transaction that has moved the sequence
    later,           ///< in a later one
};

class sequence_habits {
public:
    /// Once there are more of them, all applications count as the most demanding.
    static constexpr std::size_t max_applications = 64;

    [[nodiscard]] sequence_habit of(std::string_view application) const noexcept;
    /// False: it was known.
    bool learn(std::string_view application, sequence_habit habit);

private:
    struct known {
        std::string application;  // written before it is counted, constant afterwards
        std::atomic<sequence_habit> habit{sequence_habit::none};
    };
    struct table {
        std::array<known, max_applications> all;
        std::atomic<std::size_t> count{0};
        std::atomic<sequence_habit> of_the_rest{sequence_habit::none};
    };

    std::mutex lock_;
    std::unique_ptr<table> made_;  // changed under lock_
    std::atomic<const table*> table_{nullptr};
};

}  // namespace weir::pool
