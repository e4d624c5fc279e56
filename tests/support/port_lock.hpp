// A TCP port of 127.0.0.1 for one test program, so that programs that ctest runs side by side do
// not meet. One thread.
#pragma once

namespace weir::test {

/// Holds a port that was free when it was taken, and that no other port_lock of this machine holds.
/// The port is not bound.
class port_lock {
public:
    port_lock();
    ~port_lock();
    port_lock(port_lock const&) = delete;
    port_lock& operator=(port_lock const&) = delete;

    [[nodiscard]] int port() const { return port_; }

private:
    int port_ = 0;
    int file_ = -1;  // locked as long as it is open; the kernel lets go of it even when we crash
};

}  // namespace weir::test
