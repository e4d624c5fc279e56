// A program that a test starts and that does not outlive it. Not a shell: arguments are passed as
// they are. One thread, and that thread must outlive the child, which the kernel kills with it.
#pragma once

#include "tests/support/wait_until.hpp"

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace weir::test {

struct child_options {
    std::vector<std::string> command;           // program first, searched on PATH
    std::vector<std::string> environment = {};  // NAME=value, beside our own
    std::filesystem::path output = {};  // stdout and stderr are appended here; nowhere when empty
    bool unprivileged = false;          // as root: drop to the user of unprivileged_user()
    int signal_at_end = SIGKILL;        // what the destructor sends, and the kernel when we die
};

/// Whom programs that refuse root run as: postgres, else nobody; nothing when we are not root.
struct user_ids {
    uid_t user;
    gid_t group;
};
std::optional<user_ids> unprivileged_user();

class child_process {
public:
    explicit child_process(child_options options);
    ~child_process();
    child_process(child_process const&) = delete;
    child_process& operator=(child_process const&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool running();
    void signal(int number) const;

    /// The exit status, 128 + n when signal n ended it. Throws when it runs on past the limit.
    int wait(std::chrono::milliseconds limit = patience);

private:
    bool reap();

    pid_t pid_ = -1;
    int signal_at_end_;
    std::optional<int> status_;
    std::string name_;
};

/// Runs a program to its end. Throws when it takes longer than the limit.
struct finished {
    int status;
    std::string output;  // stdout and stderr together
};
finished run_to_end(child_options options, std::chrono::milliseconds limit = patience);

}  // namespace weir::test
