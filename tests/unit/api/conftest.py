from support.clients import client_of, clock, platform, shared_platform, single_certificate_authority

__all__ = ["client_of", "clock", "platform", "shared_platform", "single_certificate_authority"]
