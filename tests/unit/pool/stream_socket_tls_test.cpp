#include "pool/stream_socket.hpp"
#include "tests/unit/pool/tcp_pair.hpp"
#include "tests/unit/pool/tls_pair.hpp"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string>

namespace weir::pool {
namespace {

class tls_stream : public testing::Test, private stream_socket::owner {
protected:
    tls_stream() : socket_{loop_, *this, sizes} { EXPECT_FALSE(socket_.assign(pair_.take())); }
    ~tls_stream() override {
        socket_.close();
        turn();
        EXPECT_EQ(kept_, 0);
    }
    void SetUp() override {
        auto ours = std::make_unique<tls_session>(server_);
        ASSERT_TRUE(tls_meeting(peer_, *ours).is_established());
        start(std::move(ours));
    }
    void start(std::unique_ptr<tls_session> ours) {
        socket_.start_tls(std::move(ours));
        EXPECT_EQ(socket_.flush(), output_queue::result::done);
        EXPECT_TRUE(socket_.receive());
    }
    void turn() {
        loop_.context().restart();
        loop_.context().poll();
    }
    std::string encrypted(std::string_view plain) {
        EXPECT_FALSE(peer_.encrypt(plain));
        return take_output(peer_);
    }
    void send(std::string_view plain) { pair_.send(encrypted(plain)); }
    /// What the peer has been sent since the last call, decrypted.
    std::string received_by_peer() {
        std::string space(16'000'000, '\0');
        const auto got = peer_.decrypt(pair_.received(), space);
        EXPECT_FALSE(got.error) << got.error.message();
        return space.substr(0, got.count);
    }

    tls_folder folder_;
    test::certificate_authority authority_{"weir test CA"};
    tls_context_ptr server_ = must_make(
        tls_context::role::server,
        tls_mode::require,
        folder_.write("server", authority_.issue({.common_name = "localhost"}))
    );
    tls_session peer_{must_make(tls_context::role::client, tls_mode::require, {})};
    event_loop loop_{0};
    tcp_pair pair_;
    std::string received_;
    bool takes_nothing_ = false;
    boost::system::error_code error_;
    std::error_code send_error_;
    int drained_ = 0;
    int told_ = 0;  // how often of bytes, even of none
    stream_socket socket_;

private:
    static constexpr buffer_sizes sizes{64, 4096};

    void on_received(const boost::system::error_code& error) override {
        auto& input = socket_.input();
        error_ = error;
        ++told_;
        if (takes_nothing_) return;
        received_.append(input.unread());
        input.consume(input.unread().size());
        if (error) return;
        EXPECT_TRUE(socket_.receive());
    }
    void on_drained() override { ++drained_; }
    void on_send_failed(const std::error_code& error) override { send_error_ = error; }
    void keep() override { ++kept_; }
    void let_go() override { --kept_; }

    int kept_ = 0;
};

/// A client that changes its keys as often as it likes, which nothing in ours can.
class key_changer {
public:
    explicit key_changer(tls_session& to) : context_{SSL_CTX_new(TLS_client_method())} {
        ssl_ = SSL_new(context_);
        SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_);
        for (int i = 0; i < 10 && SSL_do_handshake(ssl_) != 1; ++i) {
            (void)to.handshake(output());
            const std::string answer = take_output(to);
            BIO_write(SSL_get_rbio(ssl_), answer.data(), static_cast<int>(answer.size()));
        }
        established = to.handshake(output()) == tls_session::progress::established;
    }
    ~key_changer() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
    }
    key_changer(const key_changer&) = delete;
    key_changer& operator=(const key_changer&) = delete;

    std::string key_updates(std::size_t least_bytes) {
        std::string all;
        while (all.size() < least_bytes) {
            EXPECT_EQ(SSL_key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
            EXPECT_EQ(SSL_do_handshake(ssl_), 1);
            all += output();
        }
        return all;
    }
    std::string encrypted(std::string_view plain) {
        std::size_t taken = 0;
        EXPECT_EQ(SSL_write_ex(ssl_, plain.data(), plain.size(), &taken), 1);
        return output();
    }

    bool established = false;

private:
    std::string output() {
        BIO* const from = SSL_get_wbio(ssl_);
        std::string bytes(BIO_ctrl_pending(from), '\0');
        if (!bytes.empty()) BIO_read(from, bytes.data(), static_cast<int>(bytes.size()));
        return bytes;
    }

    SSL_CTX* context_;
    SSL* ssl_ = nullptr;
};

// Each costs microseconds and none is data: one connection could have kept its loop for itself.
TEST_F(tls_stream, LetsOthersHaveTheirTurnBetweenKeyUpdates) {
    socket_.close();
    turn();
    tcp_pair fresh;
    ASSERT_FALSE(socket_.assign(fresh.take()));
    auto ours = std::make_unique<tls_session>(server_);
    key_changer peer(*ours);
    ASSERT_TRUE(peer.established);
    start(std::move(ours));
    turn();
    told_ = 0;
    error_ = {};
    fresh.send(peer.key_updates(100'000));
    turn();
    EXPECT_GT(told_, 0);
    EXPECT_EQ(received_, "");
    EXPECT_FALSE(error_) << error_.message();
    fresh.send(peer.key_updates(100));
    fresh.send(peer.encrypted("data"));
    turn();
    EXPECT_EQ(received_, "data");
}

TEST_F(tls_stream, ReceivesPlainBytes) {
    send("one");
    turn();
    EXPECT_EQ(received_, "one");
    const std::string two = encrypted("two");
    pair_.send(two + encrypted("three"));
    turn();
    EXPECT_EQ(received_, "onetwothree");
    EXPECT_EQ(socket_.input().capacity(), 0U);
}

TEST_F(tls_stream, ReceivesRecordsThatAreLongerThanItsBuffers) {
    const std::string large(300'000, 'x');
    const std::string bytes = encrypted(large);
    for (std::size_t at = 0; at < bytes.size(); at += 50'000) {
        pair_.send(std::string_view{bytes}.substr(at, 50'000));
        turn();
    }
    EXPECT_EQ(received_, large);
    EXPECT_EQ(socket_.input().capacity(), 0U);
}

TEST_F(tls_stream, ReceivesARecordByteByByte) {
    for (const char byte : encrypted("in pieces")) {
        EXPECT_EQ(received_, "");
        pair_.send({&byte, 1});
        turn();
    }
    EXPECT_EQ(received_, "in pieces");
}

TEST_F(tls_stream, SendsEncrypted) {
    socket_.output().add_copy("secret");
    EXPECT_EQ(socket_.flush(), output_queue::result::done);
    EXPECT_TRUE(socket_.output().empty());
    const std::string wire = pair_.received();
    EXPECT_EQ(wire.find("secret"), std::string::npos);
    std::string space(100, '\0');
    EXPECT_EQ(peer_.decrypt(wire, space).count, 6U);
    EXPECT_EQ(space.substr(0, 6), "secret");
}

TEST_F(tls_stream, SendsCopiesAndViewsInOrder) {
    const std::string large(200'000, 'y');
    socket_.output().add_copy("first");
    socket_.output().add_view(large);
    std::string all = "first" + large;
    std::string got;
    socket_.flush();
    for (int i = 0; i < 100 && got.size() < all.size(); ++i) {
        got += received_by_peer();
        turn();
    }
    EXPECT_EQ(got, all);
}

TEST_F(tls_stream, KeepsInOutputWhatThePeerDoesNotTake) {
    const std::string large(8'000'000, 'z');
    socket_.output().add_view(large);
    EXPECT_EQ(socket_.flush(), output_queue::result::blocked);
    EXPECT_TRUE(socket_.is_blocked());
    EXPECT_GT(socket_.output().size(), large.size() / 4);
    socket_.output().add_copy("end");
    EXPECT_EQ(socket_.flush(), output_queue::result::blocked);
    std::string got;
    while (drained_ == 0 && got.size() < large.size() + 3) {
        got += received_by_peer();
        turn();
    }
    got += received_by_peer();
    EXPECT_EQ(drained_, 1);
    EXPECT_EQ(got, large + "end");
    EXPECT_TRUE(socket_.output().empty());
    EXPECT_EQ(socket_.output().added(), large.size() + 3);
}

TEST_F(tls_stream, ForgetsOutputButKeepsTheStreamWhole) {
    const std::string large(8'000'000, 'z');
    socket_.output().add_view(large);
    EXPECT_EQ(socket_.flush(), output_queue::result::blocked);
    socket_.discard_output();
    socket_.output().add_copy("end");
    std::string got;
    while (drained_ == 0) {
        got += received_by_peer();
        turn();
    }
    got += received_by_peer();
    EXPECT_LT(got.size(), large.size());
    EXPECT_TRUE(got.ends_with("zend"));
}

TEST_F(tls_stream, SendsAtTheEndOfTheTurn) {
    for (int i = 0; i < 200; ++i) {  // some alone, some gathered, as the loop sees fit
        socket_.output().add_copy("a");
        EXPECT_EQ(socket_.flush_soon(), output_queue::result::done);
        socket_.output().add_copy("b");
        EXPECT_EQ(socket_.flush_soon(), output_queue::result::done);
        turn();
        EXPECT_EQ(received_by_peer(), "ab");
        EXPECT_TRUE(socket_.output().empty());
    }
}

TEST_F(tls_stream, TellsOfTheEndBehindTheLastBytes) {
    const std::string bytes = encrypted("last");
    peer_.close();
    pair_.send(bytes + take_output(peer_));
    turn();
    EXPECT_EQ(received_, "last");
    EXPECT_EQ(error_, boost::asio::error::eof);
}

TEST_F(tls_stream, TellsOfAPeerThatIsGoneInTheMiddleOfARecord) {
    const std::string bytes = encrypted("not all of it");
    pair_.send(std::string_view{bytes}.substr(0, bytes.size() / 2));
    turn();
    EXPECT_FALSE(error_);
    pair_.close();
    turn();
    EXPECT_EQ(received_, "");
    EXPECT_EQ(error_, boost::asio::error::eof);
}

TEST_F(tls_stream, TellsOfAResetThatCameWithTheLastBytes) {
    send("last");
    pair_.reset();
    turn();
    EXPECT_EQ(received_, "last");
    EXPECT_EQ(error_, boost::asio::error::connection_reset);
}

TEST_F(tls_stream, TellsOfBytesThatAreNotTls) {
    pair_.send(encrypted("good"));
    pair_.send("Query: SELECT 1");
    turn();
    EXPECT_EQ(received_, "good");
    EXPECT_TRUE(error_);
    EXPECT_NE(error_, boost::asio::error::eof);
    EXPECT_FALSE(error_.message().empty());
}

TEST_F(tls_stream, SaysCloseNotify) {
    socket_.output().add_copy("bye");
    socket_.flush_quietly();
    socket_.close();
    EXPECT_EQ(received_by_peer(), "bye");
    EXPECT_TRUE(peer_.is_closed());
}

TEST_F(tls_stream, GoesOnInAnotherSocketOfAnotherLoop) {
    send("before");
    turn();
    // Half a record travels with the session.
    const std::string bytes = encrypted("across");
    pair_.send(std::string_view{bytes}.substr(0, 10));
    turn();
    const int descriptor = socket_.release();
    auto session = socket_.take_tls();
    turn();
    event_loop other{1};
    std::string got;
    struct : stream_socket::owner {
        stream_socket* socket = nullptr;
        std::string* got = nullptr;
        void on_received(const boost::system::error_code& error) override {
            got->append(socket->input().unread());
            socket->input().consume(socket->input().unread().size());
            if (!error) socket->receive();
        }
        void on_drained() override {}
        void on_send_failed(const std::error_code&) override {}
        void keep() override {}
        void let_go() override {}
    } told;
    {
        stream_socket moved{other, told, {64, 4096}};
        told.socket = &moved;
        told.got = &got;
        ASSERT_FALSE(moved.assign(descriptor));
        moved.start_tls(std::move(session));
        EXPECT_TRUE(moved.receive());
        pair_.send(std::string_view{bytes}.substr(10));
        other.context().poll();
        EXPECT_EQ(got, "across");
        moved.output().add_copy("back");
        EXPECT_EQ(moved.flush(), output_queue::result::done);
        EXPECT_EQ(received_by_peer(), "back");
        moved.close();
        other.context().restart();
        other.context().poll();
    }
}

TEST_F(tls_stream, ReceivesNothingIntoAFullBuffer) {
    takes_nothing_ = true;
    send(std::string(10'000, 'x'));
    turn();
    const std::size_t first = socket_.input().unread().size();
    EXPECT_GT(first, 0U);
    while (socket_.receive())
        turn();
    EXPECT_LE(socket_.input().unread().size(), 4096U);
    takes_nothing_ = false;
    received_.append(socket_.input().unread());
    socket_.input().consume(socket_.input().unread().size());
    EXPECT_TRUE(socket_.receive());
    turn();
    EXPECT_EQ(received_, std::string(10'000, 'x'));
}

// The first statement may come with the client's last word of the handshake.
class tls_stream_that_begins : public tls_stream {
    void SetUp() override {}
};

TEST_F(tls_stream_that_begins, GivesWhatCameWithTheHandshake) {
    auto ours = std::make_unique<tls_session>(server_);
    (void)peer_.handshake({});
    (void)ours->handshake(take_output(peer_));
    ASSERT_EQ(peer_.handshake(take_output(*ours)), tls_session::progress::established);
    std::string last = take_output(peer_);
    ASSERT_EQ(ours->handshake(last + encrypted("early bird")), tls_session::progress::established);
    start(std::move(ours));
    turn();
    EXPECT_EQ(received_, "early bird");
    EXPECT_FALSE(error_);
}

TEST_F(tls_stream_that_begins, SendsFirstWhatWasToBeSentBefore) {
    auto ours = std::make_unique<tls_session>(server_);
    (void)peer_.handshake({});
    (void)ours->handshake(take_output(peer_));
    socket_.output().add_copy(take_output(*ours));  // and not flushed
    std::string space(10, '\0');
    socket_.start_tls(std::move(ours));
    socket_.flush();
    EXPECT_EQ(peer_.handshake(pair_.received()), tls_session::progress::established);
}

}  // namespace
}  // namespace weir::pool
