#include "tests/support/port_lock.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace weir::test {
namespace {

// Below the ports that Linux gives to outgoing connections (32768 and up): those could take ours
// between two uses.
constexpr int first_port = 21000;
constexpr int port_count = 9000;
char const* const folder = "/tmp/pgweir-test-ports";

bool can_bind(int port) {
    int const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int const on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool const bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return bound;
}

}  // namespace

port_lock::port_lock() {
    if (::mkdir(folder, 0777) == 0) {
        ::chmod(folder, 01777);
    }
    int const start = ::getpid() * 7 % port_count;
    for (int tried = 0; tried < port_count; ++tried) {
        int const candidate = first_port + (start + tried) % port_count;
        auto const path = std::filesystem::path(folder) / std::to_string(candidate);
        int const fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
        if (fd < 0) {
            continue;
        }
        if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && can_bind(candidate)) {
            port_ = candidate;
            file_ = fd;
            return;
        }
        ::close(fd);
    }
    throw std::runtime_error("no free TCP port for a test");
}

port_lock::~port_lock() {
    ::close(file_);
}

}  // namespace weir::test
