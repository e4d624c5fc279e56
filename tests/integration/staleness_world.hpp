// What the staleness test writes and reads: versions of keys, which stand in a table, in
// partitions, behind a foreign key that carries them on and behind a trigger that does, and may be
// read through views. The text of every statement, and each way to send a write. A world is a
// thread's own.
#pragma once

#include "tests/integration/cache_fixture.hpp"

#include <array>
#include <functional>
#include <random>
#include <string>

namespace weir::test {

/// Where a version stands.
enum class lane { table, partitions, cascade, trigger };
inline constexpr int lanes = 4;
inline constexpr int keys = 4;  // of each, from 1

std::string name_of(lane where);

/// Makes the database `stale`, in which every key has version 0.
void make_stale_world(postgres_server& postgres);

/// A statement that reads the version of the key, one of several ways.
std::string text_of_read(lane where, int key, std::mt19937& random);

/// A writer's connection and all its ways.
class version_writer {
public:
    version_writer(std::string const& dsn, unsigned seed);

    /// Gives the key this version, by any way, and calls `acknowledged` when PostgreSQL has said
    /// that it is committed. What is rolled back on the way has the version -1.
    void write(lane where, int key, int version, std::function<void()> const& acknowledged);

    [[nodiscard]] std::mt19937& random() { return random_; }
    /// How often each way was gone.
    [[nodiscard]] std::string ways() const;

private:
    struct step;

    std::string set(lane where, int key, int version);
    void replace(lane where, int key, int version);
    void copy(lane where, int key, int version);
    void in_two_phases(std::string const& sql);

    pq_connection client_;
    std::mt19937 random_;
    int transactions_ = 0;
    unsigned number_;
    std::array<int, 16> gone_{};
};

}  // namespace weir::test
