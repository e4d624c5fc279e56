#include "tests/support/child_process.hpp"

#include "tests/support/temporary_folder.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace weir::test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (auto& one : strings) {
        out.push_back(one.data());
    }
    out.push_back(nullptr);
    return out;
}

// Between fork and exec in a program that may have threads: system calls only, nothing that locks
// or allocates.
[[noreturn]] void become(
    char* const* argv,
    char* const* environment,
    char const* output,
    std::optional<user_ids> const& user,
    int signal_at_end
) {
    ::setsid();
    int const input = ::open("/dev/null", O_RDONLY);
    int const log = ::open(output, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (input < 0 || log < 0) {
        ::_exit(126);
    }
    ::dup2(input, 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    if (user &&
        (::setgroups(0, nullptr) != 0 || ::setgid(user->group) != 0 || ::setuid(user->user) != 0)) {
        ::_exit(126);
    }
    ::prctl(PR_SET_PDEATHSIG, signal_at_end);  // after setuid, which clears it
    ::execvpe(argv[0], argv, environment);
    ::_exit(127);
}

}  // namespace

std::optional<user_ids> unprivileged_user() {
    if (::geteuid() != 0) {
        return std::nullopt;
    }
    for (char const* name : {"postgres", "nobody"}) {
        if (passwd const* entry = ::getpwnam(name)) {
            return user_ids{entry->pw_uid, entry->pw_gid};
        }
    }
    throw std::runtime_error(
        "PostgreSQL refuses root, and there is neither a user postgres nor nobody"
    );
}

child_process::child_process(child_options options)
    : signal_at_end_(options.signal_at_end), name_(options.command.front()) {
    std::vector<std::string> environment = std::move(options.environment);
    for (char** variable = environ; *variable != nullptr; ++variable) {
        // libpq in a child must see what the test says, not what the person's shell says.
        if (std::string_view(*variable).substr(0, 2) != "PG") {
            environment.emplace_back(*variable);
        }
    }
    auto const argv = pointers(options.command);
    auto const envp = pointers(environment);
    auto const user = options.unprivileged ? unprivileged_user() : std::nullopt;
    std::string const output = options.output.empty() ? "/dev/null" : options.output.string();
    pid_ = ::fork();
    if (pid_ < 0) {
        throw std::system_error(errno, std::generic_category(), "fork");
    }
    if (pid_ == 0) {
        become(argv.data(), envp.data(), output.c_str(), user, signal_at_end_);
    }
}

child_process::~child_process() {
    if (!running()) {
        return;
    }
    signal(signal_at_end_);
    try {
        wait(std::chrono::seconds(10));
    } catch (std::exception const&) {
        signal(SIGKILL);
        int status = 0;
        ::waitpid(pid_, &status, 0);
    }
}

bool child_process::reap() {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return status_.has_value();
}

bool child_process::running() {
    return !reap();
}

void child_process::signal(int number) const {
    if (!status_) {
        ::kill(pid_, number);
    }
}

int child_process::wait(std::chrono::milliseconds limit) {
    wait_until([this] { return reap(); }, "the end of " + name_, limit);
    return *status_;
}

finished run_to_end(child_options options, std::chrono::milliseconds limit) {
    temporary_folder folder;
    options.output = folder.path() / "output";
    child_process child(options);
    int const status = child.wait(limit);
    return {status, read_file(options.output)};
}

}  // namespace weir::test
