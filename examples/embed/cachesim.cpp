/* SPDX-License-Identifier: MIT */
/* The same as cachesim.c in C++, where a machine is a value with an owner and what goes wrong is an exception. It prints
 * the same figures. Usage: cachesim++ [detail|batch] [REFERENCES [BATCH [SETTING...]]] */
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#include <vmsim/config.h>
#include <vmsim/inspect.h>
#include <vmsim/vmsim.h>

namespace {

/* A level: sets of lines by physical address, the one used longest ago goes. */
class Level {
public:
    Level(std::string name, unsigned sets, unsigned ways, unsigned cycles)
        : name(std::move(name)), cycles(cycles), sets(sets), ways(ways), line(sets * ways), use(sets * ways) {}

    bool look_up(std::uint64_t physical) {
        const std::uint64_t wanted = (physical >> 6) + 1;
        const std::size_t first = (wanted - 1) % sets * ways;
        std::size_t oldest = first;
        time++;
        for (std::size_t i = first; i < first + ways; i++) {
            if (line[i] == wanted) {
                use[i] = time;
                hits++;
                return true;
            }
            oldest = use[i] < use[oldest] ? i : oldest;
        }
        line[oldest] = wanted;
        use[oldest] = time;
        misses++;
        return false;
    }

    const std::string name;
    const unsigned cycles;
    std::uint64_t hits = 0, misses = 0;

private:
    const std::size_t sets, ways;
    std::uint64_t time = 0;
    std::vector<std::uint64_t> line, use; // line 0: empty
};

class Caches {
public:
    /* Cycles of one line from the level `first` on. Walkers begin at the second. */
    std::uint64_t access(std::uint64_t physical, std::size_t first) {
        std::uint64_t cycles = 0;
        for (std::size_t i = first; i < levels.size(); i++) {
            cycles += levels[i].cycles;
            if (levels[i].look_up(physical))
                return cycles;
        }
        return cycles + 200;
    }
    std::array<Level, 3> levels{Level("L1D", 64, 8, 4), Level("L2", 1024, 16, 14), Level("LLC", 2048, 16, 50)};
};

struct Destroy {
    void operator()(vmsim_config *config) const { vmsim_config_destroy(config); }
    void operator()(vmsim_machine *machine) const { vmsim_machine_destroy(machine); }
};

std::unique_ptr<vmsim_machine, Destroy> machine_of(const std::vector<std::string> &settings) {
    vmsim_config *made = nullptr;
    if (int err = vmsim_config_create(&made))
        throw std::runtime_error(vmsim_error_text(err));
    std::unique_ptr<vmsim_config, Destroy> config(made);
    for (const std::string &setting : settings)
        vmsim_config_set(config.get(), setting.c_str());
    vmsim_machine *machine = nullptr;
    if (vmsim_config_resolve(config.get()) || vmsim_machine_create(config.get(), &machine))
        throw std::runtime_error(vmsim_config_error_text(config.get(), 0));
    return std::unique_ptr<vmsim_machine, Destroy>(machine);
}

/* Asks about batches, and adds up where the time went: cycles; faults in ns of virtual time. */
class Core {
public:
    explicit Core(vmsim_machine *machine) : machine(machine) {
        if (vmsim_task_create(machine, "core", 0, &task))
            throw std::runtime_error(vmsim_machine_error(machine));
        base = static_cast<std::uint64_t>(vmsim_task_mmap(machine, task, 0, 64 << 20, 3, 0x22, 0, 0));
    }

    void detail(const std::vector<vmsim_access> &batch) {
        vmsim_access_result r;
        details.resize(batch.size());
        check(vmsim_task_access_detailed(machine, task, batch.data(), batch.size(), details.data(), sizeof details[0], &r), r);
        for (const vmsim_access_detail &d : details) {
            for (std::uint32_t k = 0; k < d.entries && k < VMSIM_DETAIL_ENTRIES; k++)
                walk += caches.access(d.entry[k], 1);
            entries += d.entries;
            tlb += d.cycles;
            faults += d.minor_faults + d.major_faults;
            fault_ns += d.fault_ns;
            data += caches.access(d.physical, 0);
        }
    }

    void whole(const std::vector<vmsim_access> &batch) {
        vmsim_access_result r;
        physical.resize(batch.size());
        check(vmsim_task_access(machine, task, batch.data(), batch.size(), physical.data(), &r), r);
        fault_ns += r.ns;
        for (std::uint64_t at : physical)
            data += caches.access(at, 0);
    }

    Caches caches;
    std::uint64_t base = 0, data = 0, walk = 0, tlb = 0, fault_ns = 0, faults = 0, entries = 0;

private:
    void check(int err, const vmsim_access_result &r) const {
        if (err || r.stop)
            throw std::runtime_error(err ? vmsim_machine_error(machine) : "the task died");
    }
    vmsim_machine *machine;
    std::uint32_t task = 0;
    std::vector<vmsim_access_detail> details;
    std::vector<std::uint64_t> physical;
};

} // namespace

int main(int argc, char **argv) try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    const bool detail = args.empty() || args[0] != "batch";
    const std::uint64_t total = args.size() > 1 ? std::stoull(args[1]) : 200000;
    std::vector<vmsim_access> batch(args.size() > 2 ? std::stoull(args[2]) : 1024);
    std::vector<std::string> settings{"machine.preset=skylake-sp", "machine.tlb.walk_reference=0"};
    for (std::size_t i = 3; i < args.size(); i++)
        settings.push_back(args[i]);
    auto machine = machine_of(settings);
    Core core(machine.get());
    std::uint64_t state = 1;
    for (std::uint64_t done = 0; done < total; done += batch.size()) {
        for (vmsim_access &a : batch) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const std::uint64_t span = state >> 60 < 12 ? UINT64_C(4) << 20 : UINT64_C(64) << 20;
            a = vmsim_access_make(core.base + (state >> 20) % span / 8 * 8, 8, state >> 59 & 1 ? VMSIM_STORE : VMSIM_LOAD);
        }
        detail ? core.detail(batch) : core.whole(batch);
    }
    for (const Level &level : core.caches.levels)
        std::printf("%-4s %9llu hits %9llu misses\n", level.name.c_str(), static_cast<unsigned long long>(level.hits),
                    static_cast<unsigned long long>(level.misses));
    std::cout << "data " << core.data << " cycles, walks " << core.walk << " cycles for " << core.entries << " entries, TLB "
              << core.tlb << " cycles\n"
              << core.faults << " faults, " << core.fault_ns << " ns beside the caches\n";
    return 0;
} catch (const std::exception &error) {
    std::cerr << "cachesim++: " << error.what() << '\n';
    return 2;
}
