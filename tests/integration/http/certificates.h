#pragma once
#include <memory>
#include <string>

#include "tests/integration/http/scripted_server.h"

namespace kiln::http {

struct KeyPair {
  std::string cert_pem, key_pem;
};

/// A small authority and what it signed, made once with the `openssl` program.
struct Certificates {
  std::string ca_pem;
  KeyPair server;   ///< For "localhost" and 127.0.0.1.
  KeyPair other;    ///< For other.example.com.
  KeyPair expired;  ///< For 127.0.0.1, until yesterday.
  KeyPair client;

  /// Null when there is no usable `openssl` program.
  static const Certificates* get();
};

}  // namespace kiln::http
