"""Where a number comes from: its tier, its source, and the bibliography behind it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BIBLIOGRAPHY", "Published", "Source", "Tier", "bibtex"]


class Tier(StrEnum):
    """How sure a number is, the surest first."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    MODELLED = "modelled"
    PUBLISHED = "published"

    @staticmethod
    def weakest(tiers: "set[Tier]") -> "Tier | None":
        """Return the least sure of some tiers: a sum is as sure as its weakest part."""
        order = list(Tier)
        return max(tiers, key=order.index) if tiers else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A place where a number stands: a key of `BIBLIOGRAPHY` and the table, row or section.

    An empty key is what a user gave, in the user's own words; it is quoted, and no part of the bibliography.
    """

    key: str
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A number that somebody else printed.

    Attributes:
        value: the printed number, in `unit`.
        unit: its unit, in words ("lb CO2e").
        source: where it stands.
        note: what a reader must know before comparing anything with it.
    """

    value: float
    unit: str
    source: Source
    note: str = ""


BIBLIOGRAPHY: dict[str, str] = {
    "alpaydin1998": """@misc{alpaydin1998,
  author = {Ethem Alpaydin and Cenk Kaynak},
  title  = {Optical Recognition of Handwritten Digits},
  year   = {1998},
  howpublished = {UCI Machine Learning Repository}
}""",
    "aws": """@misc{aws,
  author = {{Amazon Web Services}},
  title  = {Amazon {EC2} On-Demand Pricing},
  url    = {https://aws.amazon.com/ec2/pricing/on-demand/}
}""",
    "cai2019": """@inproceedings{cai2019,
  author    = {Han Cai and Ligeng Zhu and Song Han},
  title     = {{ProxylessNAS}: Direct Neural Architecture Search on Target Task and Hardware},
  booktitle = {International Conference on Learning Representations},
  year      = {2019},
  eprint    = {1812.00332},
  archivePrefix = {arXiv}
}""",
    "cai2020": """@inproceedings{cai2020,
  author    = {Han Cai and Chuang Gan and Tianzhe Wang and Zhekai Zhang and Song Han},
  title     = {Once-for-All: Train One Network and Specialize it for Efficient Deployment},
  booktitle = {International Conference on Learning Representations},
  year      = {2020},
  eprint    = {1908.09791},
  archivePrefix = {arXiv}
}""",
    "cloudcarbonfootprint": """@misc{cloudcarbonfootprint,
  author = {{Cloud Carbon Footprint contributors}},
  title  = {Coefficients for the energy use of cloud servers},
  url    = {https://github.com/cloud-carbon-footprint/cloud-carbon-coefficients}
}""",
    "codecarbon": """@software{codecarbon,
  author = {{CodeCarbon contributors}},
  title  = {CodeCarbon: estimate and track carbon emissions from machine learning computing},
  url    = {https://github.com/mlco2/codecarbon}
}""",
    "davy2021": """@misc{davy2021,
  author = {Benjamin Davy},
  title  = {Building an {AWS} {EC2} Carbon Emissions Dataset},
  year   = {2021},
  howpublished = {Teads Engineering}
}""",
    "epa": """@misc{epa,
  author = {{United States Environmental Protection Agency}},
  title  = {Greenhouse Gas Equivalencies Calculator: Calculations and References},
  url    = {https://www.epa.gov/energy/greenhouse-gas-equivalencies-calculator-calculations-and-references}
}""",
    "falk2025": """@misc{falk2025,
  author = {Sophia Falk and David Ekchajzer and Thibault Pirson and Etienne Lees-Perasso and Augustin Wattiez and
            Lisa Biber-Freudenberger and Sasha Luccioni and Aimee van Wynsberghe},
  title  = {More than Carbon: Cradle-to-Grave environmental impacts of {GenAI} training on the {Nvidia A100 GPU}},
  year   = {2025},
  eprint = {2509.00093},
  archivePrefix = {arXiv}
}""",
    "ghg2015": """@techreport{ghg2015,
  author      = {{World Resources Institute}},
  title       = {{GHG} Protocol Scope 2 Guidance},
  year        = {2015},
  institution = {World Resources Institute}
}""",
    "ipcc2006": """@techreport{ipcc2006,
  author      = {{Intergovernmental Panel on Climate Change}},
  title       = {2006 {IPCC} Guidelines for National Greenhouse Gas Inventories, Volume 1: General Guidance and
                 Reporting},
  year        = {2006},
  institution = {Institute for Global Environmental Strategies}
}""",
    "khan2018": """@article{khan2018,
  author  = {Kashif Nizam Khan and Mikael Hirki and Tapio Niemi and Jukka K. Nurminen and Zhonghong Ou},
  title   = {{RAPL} in Action: Experiences in Using {RAPL} for Power Measurements},
  journal = {ACM Transactions on Modeling and Performance Evaluation of Computing Systems},
  volume  = {3},
  number  = {2},
  year    = {2018},
  doi     = {10.1145/3177754}
}""",
    "krizhevsky2009": """@techreport{krizhevsky2009,
  author      = {Alex Krizhevsky},
  title       = {Learning Multiple Layers of Features from Tiny Images},
  year        = {2009},
  institution = {University of Toronto}
}""",
    "lacoste2019": """@misc{lacoste2019,
  author = {Alexandre Lacoste and Alexandra Luccioni and Victor Schmidt and Thomas Dandres},
  title  = {Quantifying the Carbon Emissions of Machine Learning},
  year   = {2019},
  eprint = {1910.09700},
  archivePrefix = {arXiv}
}""",
    "lannelongue2021": """@article{lannelongue2021,
  author  = {Lo{\\"i}c Lannelongue and Jason Grealey and Michael Inouye},
  title   = {Green Algorithms: Quantifying the Carbon Footprint of Computation},
  journal = {Advanced Science},
  volume  = {8},
  number  = {12},
  pages   = {2100707},
  year    = {2021},
  doi     = {10.1002/advs.202100707}
}""",
    "lecun1998": """@article{lecun1998,
  author  = {Yann LeCun and L{\\'e}on Bottou and Yoshua Bengio and Patrick Haffner},
  title   = {Gradient-Based Learning Applied to Document Recognition},
  journal = {Proceedings of the {IEEE}},
  volume  = {86},
  number  = {11},
  year    = {1998}
}""",
    "luccioni2023": """@article{luccioni2023,
  author  = {Alexandra Sasha Luccioni and Sylvain Viguier and Anne-Laure Ligozat},
  title   = {Estimating the Carbon Footprint of {BLOOM}, a {176B} Parameter Language Model},
  journal = {Journal of Machine Learning Research},
  volume  = {24},
  year    = {2023},
  eprint  = {2211.02001},
  archivePrefix = {arXiv}
}""",
    "nvidia2025pcf": """@techreport{nvidia2025pcf,
  author      = {{NVIDIA}},
  title       = {{HGX H100} Product Carbon Footprint Summary},
  year        = {2025},
  institution = {NVIDIA Corporation}
}""",
    "patterson2021": """@misc{patterson2021,
  author = {David Patterson and Joseph Gonzalez and Quoc Le and Chen Liang and Lluis-Miquel Munguia and
            Daniel Rothchild and David So and Maud Texier and Jeff Dean},
  title  = {Carbon Emissions and Large Neural Network Training},
  year   = {2021},
  eprint = {2104.10350},
  archivePrefix = {arXiv}
}""",
    "real2019": """@inproceedings{real2019,
  author    = {Esteban Real and Alok Aggarwal and Yanping Huang and Quoc V. Le},
  title     = {Regularized Evolution for Image Classifier Architecture Search},
  booktitle = {AAAI Conference on Artificial Intelligence},
  year      = {2019},
  eprint    = {1802.01548},
  archivePrefix = {arXiv}
}""",
    "russakovsky2015": """@article{russakovsky2015,
  author  = {Olga Russakovsky and Jia Deng and Hao Su and Jonathan Krause and Sanjeev Satheesh and Sean Ma and
             Zhiheng Huang and Andrej Karpathy and Aditya Khosla and Michael Bernstein and Alexander C. Berg and
             Li Fei-Fei},
  title   = {{ImageNet} Large Scale Visual Recognition Challenge},
  journal = {International Journal of Computer Vision},
  volume  = {115},
  number  = {3},
  year    = {2015},
  doi     = {10.1007/s11263-015-0816-y}
}""",
    "sahni2021": """@inproceedings{sahni2021,
  author    = {Manas Sahni and Shreya Varshini and Alind Khare and Alexey Tumanov},
  title     = {{CompOFA}: Compound Once-For-All Networks for Faster Multi-Platform Deployment},
  booktitle = {International Conference on Learning Representations},
  year      = {2021},
  eprint    = {2104.12642},
  archivePrefix = {arXiv}
}""",
    "sci2024": """@techreport{sci2024,
  author      = {{International Organization for Standardization}},
  title       = {{ISO/IEC} 21031:2024, Information technology: Software Carbon Intensity ({SCI}) specification},
  year        = {2024},
  institution = {International Organization for Standardization}
}""",
    "so2019": """@inproceedings{so2019,
  author    = {David R. So and Chen Liang and Quoc V. Le},
  title     = {The Evolved Transformer},
  booktitle = {International Conference on Machine Learning},
  year      = {2019},
  eprint    = {1901.11117},
  archivePrefix = {arXiv}
}""",
    "strubell2019": """@inproceedings{strubell2019,
  author    = {Emma Strubell and Ananya Ganesh and Andrew McCallum},
  title     = {Energy and Policy Considerations for Deep Learning in {NLP}},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year      = {2019},
  eprint    = {1906.02243},
  archivePrefix = {arXiv}
}""",
    "tan2019": """@inproceedings{tan2019,
  author    = {Mingxing Tan and Bo Chen and Ruoming Pang and Vijay Vasudevan and Mark Sandler and
               Andrew Howard and Quoc V. Le},
  title     = {{MnasNet}: Platform-Aware Neural Architecture Search for Mobile},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019},
  eprint    = {1807.11626},
  archivePrefix = {arXiv}
}""",
    "vaswani2017": """@inproceedings{vaswani2017,
  author    = {Ashish Vaswani and Noam Shazeer and Niki Parmar and Jakob Uszkoreit and Llion Jones and
               Aidan N. Gomez and {\\L}ukasz Kaiser and Illia Polosukhin},
  title     = {Attention Is All You Need},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2017},
  eprint    = {1706.03762},
  archivePrefix = {arXiv}
}""",
    "wu2019": """@inproceedings{wu2019,
  author    = {Bichen Wu and Xiaoliang Dai and Peizhao Zhang and Yanghan Wang and Fei Sun and Yiming Wu and
               Yuandong Tian and Peter Vajda and Yangqing Jia and Kurt Keutzer},
  title     = {{FBNet}: Hardware-Aware Efficient {ConvNet} Design via Differentiable Neural Architecture Search},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019},
  eprint    = {1812.03443},
  archivePrefix = {arXiv}
}""",
    "yang2024": """@inproceedings{yang2024,
  author    = {Zeyu Yang and Karel Adamek and Wesley Armour},
  title     = {Accurate and Convenient Energy Measurements for {GPU}s: A Detailed Study of {NVIDIA} {GPU}'s Built-In
               Power Sensor},
  booktitle = {International Conference for High Performance Computing, Networking, Storage and Analysis (SC24)},
  year      = {2024},
  eprint    = {2312.02741},
  archivePrefix = {arXiv}
}""",
    "yu2019": """@inproceedings{yu2019,
  author    = {Jiahui Yu and Thomas S. Huang},
  title     = {Universally Slimmable Networks and Improved Training Techniques},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2019},
  eprint    = {1903.05134},
  archivePrefix = {arXiv}
}""",
    "yu2020": """@inproceedings{yu2020,
  author    = {Jiahui Yu and Pengchong Jin and Hanxiao Liu and Gabriel Bender and Pieter-Jan Kindermans and
               Mingxing Tan and Thomas Huang and Xiaodan Song and Ruoming Pang and Quoc Le},
  title     = {{BigNAS}: Scaling up Neural Architecture Search with Big Single-Stage Models},
  booktitle = {European Conference on Computer Vision},
  year      = {2020},
  eprint    = {2003.11142},
  archivePrefix = {arXiv}
}""",
}


def bibtex(keys: set[str]) -> str:
    """Return the BibTeX of the given keys, sorted, one blank line apart.

    Raises:
        KeyError: if a key has no entry; a number without a source is a bug here.
    """
    return "\n\n".join(BIBLIOGRAPHY[key] for key in sorted(keys)) + ("\n" if keys else "")
