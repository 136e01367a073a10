#pragma once
#include <cstddef>

namespace kiln {

/// For programs that live long and now and then have a great many small things for a while, such as
/// a tree of 50,000 files: makes the allocator keep one place for all threads, and give its end
/// back to the system as soon as it is free. With a place for each thread, as is usual, every build
/// leaves its size behind wherever it ran, and the next one runs elsewhere. Call it before there
/// are threads.
void keep_memory_together();

/// Gives what was freed back to the system, also what lies between things that are still used. For
/// the end of such work: takes some milliseconds, and does nothing where it was on few `things`.
/// Threads: any.
void give_memory_back_after(std::size_t things);

}  // namespace kiln
