// Runs a fuzz target without libFuzzer: first the seeds (a CSV of name,hex), then mutations of them
// from a fixed random seed for some seconds, so that two runs try the same inputs in the same
// order.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using bytes = std::vector<std::uint8_t>;

bool decode_hex(const std::string& text, bytes& out) {
    if (text.empty() || text.size() % 2 != 0) return false;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        char* end = nullptr;
        const auto pair = text.substr(i, 2);
        out.push_back(static_cast<std::uint8_t>(std::strtoul(pair.c_str(), &end, 16)));
        if (*end != '\0') return false;
    }
    return true;
}

std::vector<bytes> read_seeds(const char* path) {
    std::vector<bytes> seeds;
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        const auto comma = line.find(',');
        if (line.empty() || line[0] == '#' || line == "name,hex") continue;
        bytes seed;
        if (comma == std::string::npos || !decode_hex(line.substr(comma + 1), seed)) {
            std::fprintf(stderr, "%s: not name,hex: %s\n", path, line.c_str());
            std::exit(2);
        }
        seeds.push_back(std::move(seed));
    }
    return seeds;
}

void mutate(bytes& input, const std::vector<bytes>& seeds, std::mt19937& random) {
    constexpr std::uint8_t edges[] = {0, 1, 4, 5, 0x7f, 0x80, 0xff, 'Z', 'E', 'S', ','};
    const auto at = [&] { return input.empty() ? 0 : random() % input.size(); };
    switch (random() % 6) {
        case 0:
            if (!input.empty()) input[at()] ^= static_cast<std::uint8_t>(1U << random() % 8);
            break;
        case 1:
            if (!input.empty()) input[at()] = edges[random() % std::size(edges)];
            break;
        case 2:
            input.resize(at());
            break;
        case 3:
            input.insert(
                input.begin() + static_cast<std::ptrdiff_t>(at()),
                static_cast<std::uint8_t>(random())
            );
            break;
        case 4:
            if (!input.empty()) input.erase(input.begin() + static_cast<std::ptrdiff_t>(at()));
            break;
        default: {
            const auto& other = seeds[random() % seeds.size()];
            const auto from = static_cast<std::ptrdiff_t>(random() % other.size());
            input.insert(input.end(), other.begin() + from, other.end());
            break;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s SEEDS.csv SECONDS\n", argv[0]);
        return 2;
    }
    const auto seeds = read_seeds(argv[1]);
    if (seeds.empty()) {
        std::fprintf(stderr, "%s: no seeds\n", argv[1]);
        return 2;
    }
    for (const auto& seed : seeds) {
        // Every prefix too: most findings are reads past a cut.
        for (std::size_t size = 0; size <= seed.size(); ++size) {
            const bytes prefix(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size));
            LLVMFuzzerTestOneInput(prefix.data(), prefix.size());
        }
    }
    using clock = std::chrono::steady_clock;
    const auto until = clock::now() + std::chrono::seconds(std::atoi(argv[2]));
    std::mt19937 random(20'010'101);
    unsigned long runs = 0;
    while (clock::now() < until) {
        for (int i = 0; i < 100; ++i, ++runs) {
            auto input = seeds[random() % seeds.size()];
            for (auto n = 1 + random() % 8; n > 0; --n) {
                mutate(input, seeds, random);
            }
            LLVMFuzzerTestOneInput(input.data(), input.size());
        }
    }
    std::printf("%zu seeds, %lu mutations\n", seeds.size(), runs);
    return 0;
}
