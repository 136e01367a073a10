#pragma once
#include <boost/system/error_code.hpp>
#include <chrono>
#include <string>

#include "core/base/error.h"

namespace kiln::http {

/// A socket or TLS error in plain words: "connection refused", "the server does not speak TLS …".
std::string plain_words(const boost::system::error_code& error);

/// The Error for a failed socket operation. `what` names it for a passed deadline ("connecting to
/// host:443"), `failed` for anything else ("cannot connect to host:443").
Error io_error(const boost::system::error_code& error, const std::string& what,
               const std::string& failed, std::chrono::milliseconds limit);

}  // namespace kiln::http
