#include "protocol/status.hpp"

#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

TEST(ReadyForQuery, RoundTripsEveryStatus) {
    for (const char status : {'I', 'T', 'E'}) {
        std::string out;
        write_ready_for_query(out, status);
        ready_for_query message;
        EXPECT_FALSE(decode(body_of(out, 'Z'), message));
        EXPECT_EQ(message.transaction_status, status);
    }
    expect_exact<ready_for_query>("I");
}

TEST(ReadyForQuery, RejectsUnknownStatus) {
    for (int c = 0; c < 256; ++c) {
        const std::string body(1, static_cast<char>(c));
        ready_for_query message;
        const bool known = c == 'I' || c == 'T' || c == 'E';
        EXPECT_EQ(decode(body, message) == errc::invalid_value, !known) << c;
    }
}

TEST(ParameterStatus, RoundTrips) {
    std::string out;
    write_parameter_status(out, "TimeZone", "Europe/Berlin");
    const auto body = body_of(out, 'S');
    parameter_status message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.name, "TimeZone");
    EXPECT_EQ(message.value, "Europe/Berlin");
    expect_exact<parameter_status>(body);
}

TEST(ParameterStatus, TakesAnEmptyValue) {
    parameter_status message;
    const auto body = raw("application_name\0\0");
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.value, "");
}

TEST(BackendKeyData, TakesKeysOfFourTo256Bytes) {
    for (std::size_t size = 0; size <= 300; ++size) {
        std::string out;
        write_backend_key_data(out, 4711, std::string(size, 'k'));
        const auto body = body_of(out, 'K');
        backend_key_data message;
        const auto error = decode(body, message);
        if (size < 4 || size > 256) {
            EXPECT_EQ(error, errc::invalid_cancel_key) << size;
        } else {
            EXPECT_FALSE(error) << size;
            EXPECT_EQ(message.process_id, 4711U);
            EXPECT_EQ(message.secret_key.size(), size);
        }
    }
}

TEST(BackendKeyData, RejectsACutProcessId) {
    backend_key_data message;
    EXPECT_EQ(decode("abc", message), errc::incomplete_message);
}

TEST(NotificationResponse, RoundTrips) {
    std::string out;
    write_notification_response(out, 0xfffffffe, "chan", "payload");
    const auto body = body_of(out, 'A');
    notification_response message;
    EXPECT_FALSE(decode(body, message));
    EXPECT_EQ(message.process_id, 0xfffffffeU);
    EXPECT_EQ(message.channel, "chan");
    EXPECT_EQ(message.payload, "payload");
    expect_exact<notification_response>(body);
}

}  // namespace
}  // namespace weir::protocol
