#include "pool/output_queue.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace weir::pool {
namespace {

class socket_pair {
public:
    socket_pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_), 0); }
    ~socket_pair() {
        close_reader();
        ::close(ends_[0]);
    }
    int writer() const { return ends_[0]; }
    void close_reader() {
        if (ends_[1] >= 0) ::close(ends_[1]);
        ends_[1] = -1;
    }
    std::string read() {
        std::string all;
        char bytes[65536];
        for (ssize_t n; (n = ::read(ends_[1], bytes, sizeof bytes)) > 0;) {
            all.append(bytes, static_cast<std::size_t>(n));
        }
        return all;
    }

private:
    int ends_[2] = {-1, -1};
};

TEST(OutputQueue, SendsViewsAndCopiesInOrder) {
    socket_pair sockets;
    output_queue queue;
    std::error_code error;
    const std::string view = "one two ";
    queue.add_view({view.data(), 4});
    queue.add_view({view.data() + 4, 4});
    queue.add_copy("three ");
    queue.writable().append("four ");
    queue.add_view("five");
    EXPECT_EQ(queue.size(), 23U);
    EXPECT_EQ(queue.flush(sockets.writer(), error), output_queue::result::done);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(sockets.read(), "one two three four five");
}

TEST(OutputQueue, KeepsACopyOfWhatTheSocketDoesNotTake) {
    socket_pair sockets;
    output_queue queue;
    std::error_code error;
    std::string large(8U << 20U, 'x');
    large.back() = 'y';
    const std::string expected = large;
    queue.add_view(large);
    ASSERT_EQ(queue.flush(sockets.writer(), error), output_queue::result::blocked);
    large.assign(large.size(), '!');  // the view's bytes are gone
    std::string got = sockets.read();
    while (queue.flush(sockets.writer(), error) == output_queue::result::blocked) {
        got += sockets.read();
    }
    got += sockets.read();
    EXPECT_TRUE(got == expected);
    EXPECT_TRUE(queue.empty());
}

TEST(OutputQueue, SettledViewsOutliveTheirBytes) {
    socket_pair sockets;
    output_queue queue;
    std::error_code error;
    std::string bytes = "kept";
    queue.add_view(bytes);
    queue.settle();
    bytes = "gone";
    EXPECT_EQ(queue.flush(sockets.writer(), error), output_queue::result::done);
    EXPECT_EQ(sockets.read(), "kept");
}

TEST(OutputQueue, TellsOfAPeerThatIsGone) {
    socket_pair sockets;
    sockets.close_reader();
    output_queue queue;
    std::error_code error;
    queue.add_copy("x");
    EXPECT_EQ(queue.flush(sockets.writer(), error), output_queue::result::failed);
    EXPECT_EQ(error, std::errc::broken_pipe);
}

}  // namespace
}  // namespace weir::pool
